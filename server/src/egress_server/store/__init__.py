"""The store of desired state: Redis or Valkey, its Lua scripts, and the embedded server.

Nothing else knows Redis. Its exceptions end here: callers see the domain's errors.
"""
