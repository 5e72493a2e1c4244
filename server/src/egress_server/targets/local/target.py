"""A local cluster as the delivery loop sees it.

Why it exists: the loop drives every kind of cluster through one port. This one keeps the objects in
a file and has Envoy do what istiod would make a sidecar do with them.
"""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from egress_server.domain.errors import PermanentError, TransientError
from egress_server.domain.render.objects import IstioObject, ObjectKey, key_of, resource_of
from egress_server.domain.resolve import Resolve
from egress_server.ports.target import Applied, Live, Witness
from egress_server.processes import ChildFailed
from egress_server.targets.local.envoy import Envoy, XdsRefused, envoy_binary
from egress_server.targets.local.registry import unsupported
from egress_server.targets.local.state import State, load, save
from egress_server.targets.local.xds import XdsFiles, compile_xds

_STATE_FILE = "state.json"


class LocalTarget:
    """One Envoy and its objects in `folder`, between `start` and `stop`; a Target in the meantime.

    The workload counts as one in `namespace`. `resolve` stands in for DNS.
    """

    def __init__(self, folder: Path, *, name: str, namespace: str, resolve: Sequence[Resolve]) -> None:
        self._folder = folder
        self._name = name
        self._namespace = namespace
        self._resolve = resolve
        self._state = State(objects={}, witness=None)
        self._envoy: Envoy | None = None

    @property
    def envoy(self) -> Envoy:
        """The running Envoy: where to dial, and its admin interface."""
        if self._envoy is None:
            raise RuntimeError(f"local cluster {self._name} is not started")
        return self._envoy

    async def start(self) -> None:
        """Start Envoy with what was last applied, waiting for nobody.

        Raises:
            PermanentError: ENVOY_MISSING, STATE_UNREADABLE or ENVOY_FAILED.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._state = load(self._folder / _STATE_FILE)
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
        """Stop Envoy. The objects stay for the next start."""
        if self._envoy is not None:
            await self._envoy.stop()
            self._envoy = None

    async def gather(self) -> Live:
        """Return the objects as last applied, and the witness."""
        return Live(objects=dict(self._state.objects), witness=self._state.witness)

    async def apply(self, *, upsert: Sequence[IstioObject], delete: Sequence[ObjectKey], witness: Witness) -> Applied:
        """Have Envoy serve by the changed objects, then remember them and the witness. Objects that
        are not supported are left out and named in the answer.

        Raises:
            PermanentError: ENVOY_REFUSED, with Envoy's text; Envoy serves as before.
            TransientError: ENVOY_SILENT, or STATE_NOT_WRITTEN.
        """
        reasons = self.unsupported(upsert)
        kept = [item for item in upsert if key_of(item) not in reasons]
        gone = set(delete)
        objects = {key: item for key, item in self._state.objects.items() if key not in gone}
        objects |= {key_of(item): item for item in kept}
        await self._serve(State(objects=objects, witness=witness))
        return Applied(
            unsupported={resource_of(item): reasons[key] for item in upsert if (key := key_of(item)) in reasons}
        )

    def unsupported(self, objects: Sequence[IstioObject]) -> Mapping[ObjectKey, str]:
        """Name the objects that a local cluster cannot serve, with the reason."""
        reasons = ((key_of(item), unsupported(item)) for item in objects)
        return {key: reason for key, reason in reasons if reason is not None}

    async def close(self) -> None:
        """Nothing to let go of: Envoy goes on until `stop`."""

    async def _serve(self, state: State) -> None:
        try:
            await self.envoy.update(self._compile(state))
        except XdsRefused as error:
            raise PermanentError("ENVOY_REFUSED", str(error)) from error
        except TimeoutError as error:
            raise TransientError("ENVOY_SILENT", str(error)) from error
        try:
            await asyncio.to_thread(save, self._folder / _STATE_FILE, state)
        except OSError as error:
            raise TransientError("STATE_NOT_WRITTEN", str(error)) from error
        self._state = state

    def _compile(self, state: State) -> XdsFiles:
        objects = list(state.objects.values())
        return compile_xds(objects, namespace=self._namespace, resolve=self._resolve)
