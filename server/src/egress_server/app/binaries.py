"""The programs we start, for those who ask what this machine has."""

import asyncio
import re
import subprocess

from egress_server.domain.model.errors import EgressError
from egress_server.store.embedded.binaries import choose_server, installed_servers
from egress_server.targets.local.envoy import envoy_binary


def store_version() -> str:
    """Release and path of the server of an embedded store; raises OSError with how to install one."""
    try:
        return str(asyncio.run(choose_server(installed_servers())))
    except EgressError as error:
        raise OSError(error.message) from error


def envoy_version() -> str:
    """Version and path of Envoy; raises OSError saying how to get one."""
    binary = envoy_binary()
    said = subprocess.run([binary, "--version"], capture_output=True, text=True, check=False, timeout=20).stdout
    found = re.search(r"/(\d+\.\d+\.\d+)/", said)
    if found is None:
        raise OSError(f"{binary} does not say its version; can it run on this machine?")
    return f"{found.group(1)} ({binary})"
