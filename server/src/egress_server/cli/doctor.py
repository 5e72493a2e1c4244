"""What this machine has and lacks for running egressd, each with what to do about it."""

import platform
import resource
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import typer

from egress_server.app.binaries import envoy_version, store_version

_LEAST_FILES = 1024
_LEAST_SPACE = 1 << 30


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at; `fix` says what to do where it is not fine."""

    what: str
    fine: bool
    found: str
    fix: str = ""


def examine(data_dir: Path) -> bool:
    """Prints all checks; whether all are fine."""
    checks = list(_checks(data_dir))
    for check in checks:
        typer.echo(f"{'ok  ' if check.fine else 'LACK'}  {check.what:14} {check.found}")
        if not check.fine:
            typer.echo(f"      {'':14} {check.fix}")
    return all(check.fine for check in checks)


def _checks(data_dir: Path) -> Iterator[Check]:
    system = f"{platform.system()} {platform.machine()}"
    yield Check("system", system == "Linux x86_64", system, "egressd is made for Linux on x86-64")
    yield Check("python", sys.version_info >= (3, 11), platform.python_version(), "Python 3.11 or newer is needed")
    yield _program("store", store_version)
    yield _program("envoy", envoy_version)
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield Check("open files", soft >= _LEAST_FILES, str(soft), f"raise the limit: ulimit -n {_LEAST_FILES}")
    yield _space(data_dir)


def _program(name: str, version: Callable[[], str]) -> Check:
    try:
        return Check(name, True, version())
    except (OSError, ValueError) as error:
        return Check(name, False, "not found", str(error))


def _space(data_dir: Path) -> Check:
    existing = next(path for path in (data_dir.absolute(), *data_dir.absolute().parents) if path.exists())
    free = shutil.disk_usage(existing).free
    return Check("disk space", free >= _LEAST_SPACE, f"{free >> 20} MiB free for {data_dir}", "at least 1 GiB is wise")
