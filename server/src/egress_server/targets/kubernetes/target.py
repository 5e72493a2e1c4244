"""The kubernetes target: a Kubernetes cluster with Istio."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import datetime

import structlog

from egress_server.aio.backoff import Backoff
from egress_server.aio.supervisor import Background
from egress_server.aio.tasks import Task
from egress_server.domain.model.clusters import Cluster, kubernetes_settings
from egress_server.domain.model.errors import PermanentError, TransientError
from egress_server.domain.model.objects import IstioObject, ObjectKey
from egress_server.domain.model.status import Problem
from egress_server.domain.observed.inventory import Inventory
from egress_server.ports.clock import Clock, system_clock
from egress_server.ports.target import Applied, Live, Projection, Witness
from egress_server.targets.kubernetes.api.client import ApiClient
from egress_server.targets.kubernetes.api.discovery import ClusterInfo, read_cluster_info
from egress_server.targets.kubernetes.api.errors import ApiError, as_target_errors
from egress_server.targets.kubernetes.apply.apply import Apply
from egress_server.targets.kubernetes.expired_faults import remove_ended_faults
from egress_server.targets.kubernetes.informer.cache import Cache
from egress_server.targets.kubernetes.informer.watch_specs import watch_specs
from egress_server.targets.kubernetes.interception.survey import Surveyor
from egress_server.targets.kubernetes.interception.templates import restart
from egress_server.targets.kubernetes.observe.inventory import build_inventory
from egress_server.targets.kubernetes.observe.observation import KubernetesLive, Observation
from egress_server.targets.kubernetes.observe.observer import Observer
from egress_server.targets.kubernetes.project.project import project

_log = structlog.get_logger(__name__)

_REFRESH_SECONDS = 60.0
_REJECTED = Backoff(2.0, 60.0, jitter=0.0)
_RESTART_SECONDS = 300.0


class Kubernetes:
    """The registered `cluster` behind `client`, which this target closes."""

    debounce = 0.15
    """istiod waits for a pause of 0.1 s before it pushes to its sidecars."""
    propagation = 12.0
    """It waits for 10 s at most."""

    def __init__(self, client: ApiClient, cluster: Cluster, clock: Clock = system_clock) -> None:
        settings = kubernetes_settings(cluster)
        self._client = client
        self._cluster = cluster
        self._clock = clock
        self._root = settings.root_namespace
        self._revision = settings.istio_revision
        self._cache = Cache(client, watch_specs(self._root, self._revision))
        self._observer = Observer(self._cache, self._root, self._revision)
        self._surveyor = Surveyor(
            client,
            self._observer.injection,
            self._observer.namespaces,
            self._observer.workload_selectors,
            self._cache.trigger,
        )
        self._info: ClusterInfo | None = None
        self._tasks = Background()
        self._inventory_inputs: tuple[int, object, object] | None = None
        self._inventory: Inventory | None = None
        self._rejections = 0
        self._retry: asyncio.TimerHandle | None = None

    async def gather(self) -> Live:
        """Reads the watched objects as of now."""
        await self._cache.wait_for_sync()
        if self._info is None:
            with as_target_errors():
                self._info = await read_cluster_info(self._client, self._root, self._revision)
            self._tasks.start(Task.POD_SURVEY, self._surveyor.run, url=self._client.url)
            self._tasks.start(Task.CAPABILITY_REFRESH, self._refresh_info, url=self._client.url)
        live = self._observer.live(self._info)
        self._cache.follows_allocation = live.observation.mesh_settings.dns_capture
        return replace(live, inventory=self._current_inventory(live.observation))

    def project(self, objects: Sequence[IstioObject], cluster: Cluster, live: Live) -> Projection:
        """See project/."""
        assert isinstance(live, KubernetesLive)
        return project(objects, cluster, live.observation)

    async def apply(
        self,
        *,
        upsert: Sequence[IstioObject],
        delete: Sequence[ObjectKey],
        witness: Witness | None,
        accepted: Witness | None = None,
    ) -> Applied:
        """See apply/."""
        await self._cache.wait_for_sync()
        with as_target_errors(), self._cache.writing():
            applied = await Apply(self._client, self._cache, self._root).run(upsert, delete, witness, accepted)
        if upsert or delete:
            self._cache.foreign_writes.applied()
            self._surveyor.trigger()
        self._schedule_retry(rejected=bool(applied.obstacles))
        return applied

    async def strip_ended(self, now: datetime) -> None:
        """See expired_faults."""
        with as_target_errors():
            await remove_ended_faults(self._client, self._cache, self._root, now)

    def changes(self) -> AsyncIterator[None]:
        """Another client has changed a watched object, or the server was lost or can be reached again."""
        return self._cache.changes()

    def propagation_problem(self) -> Problem | None:
        """Whether other clients keep istiod debouncing."""
        return self._cache.foreign_writes.propagation_problem()

    async def restart(self, workload: str) -> None:
        """See interception/templates."""
        await self._cache.wait_for_sync()
        with as_target_errors():
            await restart(self._client, workload, self._observer.injection().deferred, _RESTART_SECONDS)
        self._surveyor.trigger()

    async def close(self) -> None:
        """Ends the watches and closes the connections."""
        if self._retry is not None:
            self._retry.cancel()
        await self._tasks.close()
        await self._cache.close()
        await self._client.close()

    def _schedule_retry(self, *, rejected: bool) -> None:
        """What was rejected may pass before the next resync, as when a webhook was down. Repeated rejections are
        retried less often."""
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        self._rejections = self._rejections + 1 if rejected else 0
        if rejected:
            pause = _REJECTED.pause(self._rejections)
            self._retry = asyncio.get_running_loop().call_later(pause, self._cache.trigger)

    def _current_inventory(self, observation: Observation) -> Inventory:
        """The inventory; the same instance as long as nothing in it has changed."""
        inputs = (self._cache.revision, self._info, self._surveyor.survey)
        if self._inventory is None or inputs != self._inventory_inputs:
            others = self._observer.other_objects()
            found = build_inventory(self._cluster, observation, others, self._surveyor.survey, self._clock())
            if self._inventory is None or replace(found, observe_time=self._inventory.observe_time) != self._inventory:
                self._inventory = found
            self._inventory_inputs = inputs
        return self._inventory

    async def _refresh_info(self) -> None:
        """What a cluster only says when asked changes with an upgrade."""
        while True:
            await asyncio.sleep(_REFRESH_SECONDS)
            try:
                info = await read_cluster_info(self._client, self._root, self._revision)
            except (TransientError, PermanentError, ApiError) as error:
                _log.warning("cluster_info_not_read", url=self._client.url, reason=str(error))
                continue
            if info != self._info:
                self._info = info
                self._cache.trigger()
