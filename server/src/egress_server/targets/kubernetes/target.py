"""A Kubernetes cluster with Istio as the delivery loop sees it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import datetime

import structlog

from egress_server.aio.backoff import Backoff
from egress_server.aio.supervisor import Background
from egress_server.aio.tasks import Task
from egress_server.domain.model.errors import PermanentError, TransientError
from egress_server.domain.model.objects import IstioObject, ObjectKey
from egress_server.domain.model.resources import Cluster, KubernetesTarget
from egress_server.domain.model.status import Problem
from egress_server.domain.observed.inventory import Inventory
from egress_server.ports.clock import Clock, system_clock
from egress_server.ports.target import Applied, Fit, Live, Witness
from egress_server.targets.kubernetes.api import kinds
from egress_server.targets.kubernetes.api.client import ApiClient
from egress_server.targets.kubernetes.api.discovery import Abilities, read_abilities
from egress_server.targets.kubernetes.api.errors import ApiError, outside
from egress_server.targets.kubernetes.apply.apply import Apply
from egress_server.targets.kubernetes.expired_faults import end_faults
from egress_server.targets.kubernetes.informer.cache import Cache
from egress_server.targets.kubernetes.informer.watch_specs import watch_specs
from egress_server.targets.kubernetes.interception.survey import Surveyor
from egress_server.targets.kubernetes.interception.templates import restart
from egress_server.targets.kubernetes.observe.inventory import build_inventory
from egress_server.targets.kubernetes.observe.observation import KubernetesLive, Observation
from egress_server.targets.kubernetes.observe.observer import Observer
from egress_server.targets.kubernetes.project.project import project

_log = structlog.get_logger(__name__)

_ASK_SECONDS = 60.0
_REFUSED = Backoff(2.0, 60.0, jitter=0.0)
_RESTART_SECONDS = 300.0


class Kubernetes:
    """The registered `cluster` behind `client`, which is the target's from now on."""

    quiet = 0.15
    """istiod waits for a pause of 0.1 s before it tells its sidecars."""
    patience = 12.0
    """It waits for 10 s at most."""

    def __init__(self, client: ApiClient, cluster: Cluster, clock: Clock = system_clock) -> None:
        settings = cluster.kubernetes or KubernetesTarget()
        self._client = client
        self._cluster = cluster
        self._clock = clock
        self._root = settings.root_namespace
        self._revision = settings.istio_revision
        self._cache = Cache(client, watch_specs(self._root, self._revision))
        self._look = Observer(self._cache, self._root, self._revision)
        self._surveyor = Surveyor(client, self._look.injection, self._look.namespaces, self._cache.look_again)
        self._abilities: Abilities | None = None
        self._tasks = Background()
        self._counted: tuple[int, object, object] | None = None
        self._inventory: Inventory | None = None
        self._refusals = 0
        self._retry: asyncio.TimerHandle | None = None

    async def gather(self) -> Live:
        """What is followed, as of now."""
        await self._cache.current()
        if self._abilities is None:
            with outside():
                self._abilities = await read_abilities(self._client, self._root, self._revision)
            self._tasks.start(Task.POD_SURVEY, self._surveyor.run, url=self._client.url)
            self._tasks.start(Task.CAPABILITY_REFRESH, self._ask_again, url=self._client.url)
        live = self._look.live(self._abilities)
        return replace(live, inventory=self._take_stock(live.view))

    def fit(self, objects: Sequence[IstioObject], cluster: Cluster, live: Live) -> Fit:
        """See fit."""
        assert isinstance(live, KubernetesLive)
        return project(objects, cluster, live.view)

    async def apply(
        self, *, upsert: Sequence[IstioObject], delete: Sequence[ObjectKey], witness: Witness | None
    ) -> Applied:
        """See apply."""
        await self._cache.current()
        with outside(), self._cache.writing():
            applied = await Apply(self._client, self._cache, self._root).run(upsert, delete, witness)
        if upsert or delete:
            self._cache.foreign_writes.applied()
            self._surveyor.look_again()
        self._try_again_later(refused=bool(applied.obstacles))
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
        """See restart."""
        await self._cache.current()
        with outside():
            await restart(self._client, workload, self._look.injection().deferred, _RESTART_SECONDS)
        self._surveyor.look_again()

    async def close(self) -> None:
        """Follows no more, and lets its connections go."""
        if self._retry is not None:
            self._retry.cancel()
        await self._tasks.close()
        await self._cache.close()
        await self._client.close()

    def _try_again_later(self, *, refused: bool) -> None:
        """What was refused may pass before the next resync, as where a webhook was away; the longer it does not, the
        less often it is tried."""
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        self._refusals = self._refusals + 1 if refused else 0
        if refused:
            pause = _REFUSED.pause(self._refusals)
            self._retry = asyncio.get_running_loop().call_later(pause, self._cache.look_again)

    def _take_stock(self, view: Observation) -> Inventory:
        """The inventory; the same one as long as nothing in it is another."""
        counted = (self._cache.revision, self._abilities, self._surveyor.survey)
        if self._inventory is None or counted != self._counted:
            services = self._cache.of(kinds.SERVICE).values()
            found = build_inventory(self._cluster, view, services, self._surveyor.survey, self._clock())
            if self._inventory is None or replace(found, observe_time=self._inventory.observe_time) != self._inventory:
                self._inventory = found
            self._counted = counted
        return self._inventory

    async def _ask_again(self) -> None:
        """What a cluster tells only when it is asked changes with an upgrade."""
        while True:
            await asyncio.sleep(_ASK_SECONDS)
            try:
                abilities = await read_abilities(self._client, self._root, self._revision)
            except (TransientError, PermanentError, ApiError) as error:
                _log.warning("abilities_not_read", url=self._client.url, why=str(error))
                continue
            if abilities != self._abilities:
                self._abilities = abilities
                self._cache.look_again()
