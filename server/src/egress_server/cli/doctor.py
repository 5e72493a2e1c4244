"""`egressd doctor`: whether this machine can run egressd, and how to fix what is missing."""

import asyncio
import platform
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import typer

from egress_server.domain.model.errors import EgressError
from egress_server.store.embedded.binaries import choose_server, installed_servers
from egress_server.targets.local.envoy import envoy_binary

_LEAST_FILES = 1024
_LEAST_SPACE = 1 << 30


@dataclass(frozen=True, slots=True)
class MachineCheck:
    """One check; `fix` says what to do if it fails."""

    what: str
    passed: bool
    found: str
    fix: str = ""


def examine(data_dir: Path) -> bool:
    """Prints all checks; whether all of them pass."""
    checks = list(_checks(data_dir))
    for check in checks:
        typer.echo(f"{'ok  ' if check.passed else 'FAIL'}  {check.what:14} {check.found}")
        if not check.passed:
            typer.echo(f"      {'':14} {check.fix}")
    return all(check.passed for check in checks)


def _checks(data_dir: Path) -> Iterator[MachineCheck]:
    system = f"{platform.system()} {platform.machine()}"
    yield MachineCheck("system", system == "Linux x86_64", system, "egressd runs on Linux x86-64")
    yield MachineCheck(
        "python", sys.version_info >= (3, 11), platform.python_version(), "Python 3.11 or newer is required"
    )
    yield _program("store", _store_version)
    yield _program("envoy", _envoy_version)
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield MachineCheck("open files", soft >= _LEAST_FILES, str(soft), f"raise the limit: ulimit -n {_LEAST_FILES}")
    yield _space(data_dir)


def _program(name: str, version: Callable[[], str]) -> MachineCheck:
    try:
        return MachineCheck(name, True, version())
    except EgressError as error:
        return MachineCheck(name, False, "not found", error.message)
    except OSError as error:
        return MachineCheck(name, False, "not found", str(error))


def _store_version() -> str:
    """Release and path of the embedded store's server; raises EgressError that says how to install one."""
    return str(asyncio.run(choose_server(installed_servers())))


def _envoy_version() -> str:
    """Version and path; raises OSError that says how to install one."""
    binary = envoy_binary()
    output = subprocess.run([binary, "--version"], capture_output=True, text=True, check=False, timeout=20).stdout
    found = re.search(r"/(\d+\.\d+\.\d+)/", output)
    if found is None:
        raise OSError(f"{binary} does not report its version; can it run on this machine?")
    return f"{found.group(1)} ({binary})"


def _space(data_dir: Path) -> MachineCheck:
    existing = next(path for path in (data_dir.absolute(), *data_dir.absolute().parents) if path.exists())
    free = shutil.disk_usage(existing).free
    return MachineCheck(
        "disk space", free >= _LEAST_SPACE, f"{free >> 20} MiB free for {data_dir}", "at least 1 GiB is recommended"
    )
