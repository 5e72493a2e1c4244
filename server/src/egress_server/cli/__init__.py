"""`egressd`: the server's own command line."""

from egress_server.cli.main import main

__all__ = ["main"]
