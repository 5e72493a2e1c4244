"""The RPCs of the contract, with the functions that serve them. One file per resource."""

from egress_server.wire.table import METHODS, STREAMS

__all__ = ["METHODS", "STREAMS"]
