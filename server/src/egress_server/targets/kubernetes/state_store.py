"""Keeps the state of a cluster in its ConfigMap there."""

from dataclasses import replace

from egress_server.domain.errors import TransientError
from egress_server.domain.render.objects import MANAGED_BY
from egress_server.ports.target import Witness
from egress_server.targets.kubernetes.api.answers import CONFLICT, Refusal
from egress_server.targets.kubernetes.api.client import Client
from egress_server.targets.kubernetes.api.kinds import CONFIG_MAP
from egress_server.targets.kubernetes.following.cache import Cache
from egress_server.targets.kubernetes.state import State, name_of_object, read_state, state_key, state_object


class StateStore:
    """The state of the cluster whose root namespace is `root`."""

    def __init__(self, client: Client, cache: Cache, root: str) -> None:
        self._client = client
        self._cache = cache
        self._root = root
        self._key = state_key(root)

    def load(self) -> State:
        """As the cluster has it. Raises PermanentError STATE_UNREADABLE."""
        return read_state(self._cache.get(self._key))

    async def save(self, state: State) -> None:
        """Keeps it, where it is another one. Raises TransientError CONFLICT where somebody else was faster."""
        known = self._cache.get(self._key)
        obj = state_object(self._root, state)
        if known is not None and known.content == obj["data"] and known.ours:
            return
        if known is None and state == State():
            return
        try:
            if known is None:
                answer = await self._client.create(CONFIG_MAP, obj)
            else:
                labels = {**known.labels, **MANAGED_BY}
                metadata = {**known.metadata, "labels": labels}
                answer = await self._client.replace(CONFIG_MAP, {**obj, "metadata": metadata})
        except Refusal as refusal:
            if refusal.conflict or (refusal.missing and known is not None):
                raise TransientError(
                    CONFLICT, f"somebody else has just written {name_of_object(self._key)}"
                ) from refusal
            raise
        self._cache.wrote(CONFIG_MAP, answer)

    async def leave(self, state: State, witness: Witness | None) -> None:
        """Keeps it with the witness; without one nothing of it stays."""
        if witness is not None:
            await self.save(replace(state, witness=witness))
        elif known := self._cache.get(self._key):
            await self._client.delete(CONFIG_MAP, known.key.namespace, known.key.name, uid=known.uid)
            self._cache.deleted(known)
