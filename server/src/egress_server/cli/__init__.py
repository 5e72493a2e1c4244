"""`egressd`: the server's own command line."""

import os

# gRPC reads it when it is imported. Our child processes call exec immediately; without this, gRPC prepares for forks
# that don't, and logs that it can't.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

from egress_server.cli.main import main

__all__ = ["main"]
