"""The one truth: Redis, its scripts, and the embedded server.

The only room that knows Redis. Its exceptions stop here: callers see the domain's errors.
"""
