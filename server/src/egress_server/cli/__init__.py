"""`egressd`: the server's own command line."""

import os

# gRPC reads it when it is imported. Our children replace themselves at once by exec; without this gRPC prepares for
# forks that go on, and logs that it can't.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

from egress_server.cli.main import main

__all__ = ["main"]
