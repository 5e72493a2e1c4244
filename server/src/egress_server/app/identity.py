"""What every process of this installation says of itself."""

from importlib.metadata import version as version_of

VERSION = version_of("egress-server")
MESH = "default"
"""The mesh that exists from the start, and so far the only one."""
