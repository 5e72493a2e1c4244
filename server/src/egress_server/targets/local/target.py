"""The local target: keeps the objects in a file, and makes Envoy do what istiod would make a sidecar do with them."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import orjson

from egress_server.aio.waiting import Unbroken
from egress_server.config.host_overrides import HostOverride
from egress_server.domain.model.clusters import Cluster
from egress_server.domain.model.errors import PermanentError, TransientError
from egress_server.domain.model.objects import IstioObject, ObjectKey, key_of, resource_of
from egress_server.domain.model.status import UNSUPPORTED, Problem
from egress_server.domain.render.expired_faults import strip_expired
from egress_server.durable import replace_file
from egress_server.ports.clock import system_clock
from egress_server.ports.target import Applied, Live, Projection, Witness
from egress_server.processes import ChildFailed
from egress_server.targets.base import StaticTarget
from egress_server.targets.local.envoy import Envoy, XdsRejected, envoy_binary
from egress_server.targets.local.xds.compile import XdsFiles, compile_xds
from egress_server.targets.local.xds.destination_rule import system_trust
from egress_server.targets.local.xds.scoping import LocalWorkload, effective_for
from egress_server.targets.local.xds.unsupported import unsupported


@dataclass(frozen=True, slots=True)
class LocalState:
    """The objects and the witness of the last apply. Objects are sorted by age as Istio counts it, oldest first;
    replacing one keeps its place."""

    objects: dict[ObjectKey, IstioObject]
    witness: Witness | None


def load(path: Path) -> LocalState:
    """Reads the state; a missing file is a new cluster. Raises ValueError if the file is damaged, OSError."""
    if not path.exists():
        return LocalState(objects={}, witness=None)
    try:
        stored = orjson.loads(path.read_bytes())
        witness = stored["witness"]
        return LocalState(
            objects={key_of(item): item for item in stored["objects"]},
            witness=None if witness is None else Witness(**witness),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is damaged: {error}") from error


def save(path: Path, state: LocalState) -> None:
    """Replaces the file atomically; it survives a power failure once this returns. Raises OSError, and keeps the former
    file."""
    witness = None if state.witness is None else asdict(state.witness)
    content = orjson.dumps({"objects": list(state.objects.values()), "witness": witness})
    replace_file(path, content)


LABELS: Mapping[str, str] = MappingProxyType({"app": "local"})
"""The workload's labels, unless others are given."""

_STATE_FILE = "state.json"


class LocalEnvoyTarget(StaticTarget):
    """One Envoy and its objects in `folder`; a Target between `start` and `stop`.

    The workload has these `labels` and is in `namespace`. `resolve` overrides DNS.
    """

    def __init__(
        self,
        folder: Path,
        *,
        name: str,
        namespace: str,
        resolve: Sequence[HostOverride],
        labels: Mapping[str, str] = LABELS,
    ) -> None:
        self._folder = folder
        self._name = name
        self._workload = LocalWorkload(namespace, labels)
        self._resolve = resolve
        self._trust = system_trust()
        self._state = LocalState(objects={}, witness=None)
        self._envoy: Envoy | None = None
        self._lock = asyncio.Lock()
        self._changes = Unbroken[None]()

    @property
    def envoy(self) -> Envoy:
        """The running Envoy: where to dial, and its admin interface."""
        if self._envoy is None:
            raise RuntimeError(f"local cluster {self._name} has not been started")
        return self._envoy

    @property
    def interception(self) -> Mapping[str, Any] | None:
        """Which of the workload's connections go through Envoy, in the terms of Istio's injector: the spec of the
        Interception that applies to it. None if there is none; then all do."""
        found = [item for item in self._state.objects.values() if item["kind"] == "Interception"]
        applied = effective_for(found, self._workload)
        return None if applied is None else applied["spec"]

    async def start(self) -> None:
        """Starts Envoy with what was last applied, without the faults that have ended.

        Raises PermanentError ENVOY_MISSING, STATE_UNREADABLE or ENVOY_FAILED.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._state = _without_ended_faults(load(self._folder / _STATE_FILE), system_clock())
            files = self._compile(self._state)
        except (ValueError, OSError) as error:
            raise PermanentError("STATE_UNREADABLE", str(error)) from error
        try:
            binary = envoy_binary()
        except FileNotFoundError as error:
            raise PermanentError("ENVOY_MISSING", str(error)) from error
        envoy = Envoy(binary, self._folder / "envoy", name=self._name)
        try:
            await envoy.start(files)
        except (ChildFailed, OSError) as error:
            raise PermanentError("ENVOY_FAILED", str(error)) from error
        self._envoy = envoy

    async def stop(self) -> None:
        """Stops Envoy. The objects stay for the next start; an apply in flight is cancelled."""
        await self._changes.cancel()
        async with self._lock:
            if self._envoy is not None:
                await self._envoy.stop()
                self._envoy = None

    async def gather(self) -> Live:
        """The objects that Envoy serves, and the witness of the last apply."""
        async with self._lock:
            return Live(objects=dict(self._state.objects), witness=self._state.witness)

    async def apply(
        self,
        *,
        upsert: Sequence[IstioObject],
        delete: Sequence[ObjectKey],
        witness: Witness | None,
        accepted: Witness | None = None,  # noqa: ARG002 - port
    ) -> Applied:
        """Updates Envoy, then writes the objects and the witness to the file.

        Raises PermanentError ENVOY_REFUSED with Envoy's message, after which Envoy serves as before, and TransientError
        ENVOY_NOT_RESPONDING or STATE_NOT_WRITTEN.
        """
        upserted = {key_of(item): item for item in upsert}
        deleted = set(delete)

        def changed(state: LocalState) -> LocalState:
            rest = {key: item for key, item in state.objects.items() if key not in deleted}
            return LocalState(objects=rest | upserted, witness=witness)

        await self._change(changed)
        return Applied()

    async def strip_ended(self, now: datetime) -> None:
        """Updates Envoy without the faults that have ended at `now`; the witness stays as it is. Raises as `apply`
        does."""
        await self._change(lambda state: _without_ended_faults(state, now))

    def project(self, objects: Sequence[IstioObject], cluster: Cluster, live: Live) -> Projection:  # noqa: ARG002 - port
        """Rejects the objects that a local cluster can't serve; the others stay as they are."""
        reasons = [(item, unsupported(item, self._trust)) for item in objects]
        return Projection(
            tuple(item for item, reason in reasons if reason is None),
            {resource_of(item): Problem(UNSUPPORTED, reason) for item, reason in reasons if reason is not None},
        )

    async def close(self) -> None:
        """Has nothing to release: Envoy runs until `stop`."""

    async def _change(self, make: Callable[[LocalState], LocalState]) -> None:
        """One change at a time, each to its end even if the caller is cancelled: half a change could not be detected
        later."""
        await self._changes.run(self._serve(make))

    async def _serve(self, make: Callable[[LocalState], LocalState]) -> None:
        async with self._lock:
            state = make(self._state)
            try:
                await self.envoy.update(self._compile(state))
            except XdsRejected as error:
                raise PermanentError("ENVOY_REFUSED", str(error)) from error
            except TimeoutError as error:
                raise TransientError("ENVOY_NOT_RESPONDING", str(error)) from error
            try:
                await asyncio.to_thread(save, self._folder / _STATE_FILE, state)
            except OSError as error:
                raise TransientError("STATE_NOT_WRITTEN", str(error)) from error
            self._state = state

    def _compile(self, state: LocalState) -> XdsFiles:
        objects = list(state.objects.values())
        return compile_xds(objects, workload=self._workload, resolve=self._resolve, trust=self._trust)


def _without_ended_faults(state: LocalState, now: datetime) -> LocalState:
    remaining = strip_expired(list(state.objects.values()), now)
    return replace(state, objects={key_of(item): item for item in remaining})
