"""A Kubernetes cluster with Istio as the delivery loop sees it."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime

from egress_server.domain.errors import PermanentError
from egress_server.domain.render.objects import IstioObject, ObjectKey
from egress_server.domain.resources import Cluster, KubernetesTarget
from egress_server.domain.rollout import UNSUPPORTED, Problem
from egress_server.ports.target import Applied, Fit, Live, Witness
from egress_server.targets.kubernetes.answers import outside
from egress_server.targets.kubernetes.apply import Apply
from egress_server.targets.kubernetes.cache import Cache
from egress_server.targets.kubernetes.capabilities import Abilities, read_abilities
from egress_server.targets.kubernetes.client import Client
from egress_server.targets.kubernetes.fault_ends import end_faults
from egress_server.targets.kubernetes.fit import fit
from egress_server.targets.kubernetes.followed import followed
from egress_server.targets.kubernetes.look import Look
from egress_server.targets.kubernetes.view import KubernetesLive


class Kubernetes:
    """The cluster behind `client`, which is the target's from now on."""

    quiet = 0.15
    """istiod waits for a pause of 0.1 s before it tells its sidecars."""
    patience = 12.0
    """It waits for 10 s at most."""

    def __init__(self, client: Client, settings: KubernetesTarget) -> None:
        self._client = client
        self._root = settings.root_namespace
        self._revision = settings.istio_revision
        self._cache = Cache(client, followed(self._root, self._revision))
        self._look = Look(self._cache, self._root, self._revision)
        self._abilities: Abilities | None = None

    async def gather(self) -> Live:
        """What is followed, as of now."""
        await self._cache.current()
        if self._abilities is None:
            with outside():
                self._abilities = await read_abilities(self._client, self._root, self._revision)
        return self._look.live(self._abilities)

    def fit(self, objects: Sequence[IstioObject], cluster: Cluster, live: Live) -> Fit:
        """See fit."""
        assert isinstance(live, KubernetesLive)
        return fit(objects, cluster, live.view)

    async def apply(
        self, *, upsert: Sequence[IstioObject], delete: Sequence[ObjectKey], witness: Witness | None
    ) -> Applied:
        """See apply."""
        await self._cache.current()
        with outside(), self._cache.writing():
            applied = await Apply(self._client, self._cache, self._root).run(upsert, delete, witness)
        if upsert or delete:
            self._cache.foreign_writes.applied()
        return applied

    async def strip_ended(self, now: datetime) -> None:
        """See fault_ends."""
        with outside():
            await end_faults(self._client, self._cache, self._root, now)

    def changes(self) -> AsyncIterator[None]:
        """Others have changed what is followed, or the server is lost, or back."""
        return self._cache.changes()

    def holding_up(self) -> Problem | None:
        """Whether others keep istiod waiting."""
        return self._cache.foreign_writes.holding_up()

    async def restart(self, workload: str) -> None:
        """Not yet."""
        raise PermanentError(UNSUPPORTED, f"{workload} is not restarted")

    async def close(self) -> None:
        """Follows no more, and lets its connections go."""
        await self._cache.close()
        await self._client.close()
