"""Removes what a run started, when the run ends: cleanly, on a failure, or by SIGKILL.

A mesh is a dozen processes and namespaces, and a run that dies must not leave them. The run tells
this small process by a pipe what it starts; the pipe ends when the run does, however it ends. A
process is named with the time it was started at, so that a number used again is left alone.

    lines: `process PID STARTED`, `namespace NAME`, `folder PATH`
"""

import contextlib
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil

_PATIENCE_SECONDS = 10.0


def started(pid: int) -> float:
    """When the process was started; 0 if it is gone."""
    try:
        return psutil.Process(pid).create_time()
    except psutil.Error:
        return 0.0


def _kill(pid: int, since: float) -> psutil.Process | None:
    try:
        process = psutil.Process(pid)
        if abs(process.create_time() - since) < 1.0:
            process.kill()
            return process
    except psutil.Error:
        pass  # it is gone
    return None


def _await_end(processes: list[psutil.Process]) -> None:
    """Files and namespaces are free when their users have ended; a zombie has ended too."""
    give_up = time.monotonic() + _PATIENCE_SECONDS
    while any(_runs(process) for process in processes) and time.monotonic() < give_up:
        time.sleep(0.02)


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _remove_namespace(name: str) -> None:
    """What still runs in a network namespace of this run belongs to it, whoever started it."""
    inside = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True, check=False).stdout
    for pid in inside.split():
        with contextlib.suppress(psutil.Error):
            psutil.Process(int(pid)).kill()
    subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)
    shutil.rmtree(Path("/etc/netns") / name, ignore_errors=True)


def reap(lines: list[str]) -> None:
    """Remove everything listed, last first."""
    words = [line.split(maxsplit=1) for line in reversed(lines) if line.strip()]
    processes = [rest.split() for kind, rest in words if kind == "process"]
    _await_end([process for pid, since in processes if (process := _kill(int(pid), float(since)))])
    for kind, name in words:
        if kind == "namespace":
            _remove_namespace(name.strip())
        elif kind == "folder":
            shutil.rmtree(name.strip(), ignore_errors=True)


if __name__ == "__main__":
    reap(sys.stdin.readlines())
