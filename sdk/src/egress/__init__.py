"""The Python client of mesh-egress.

Nothing is imported here that the caller did not ask for: the server uses `egress.v1`, the
generated contract, without paying for the client.
"""
