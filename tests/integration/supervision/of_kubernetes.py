"""Tasks of a Kubernetes target, over an API server that has almost nothing."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from egress_server.aio.tasks import Task
from egress_server.domain.model.clusters import Cluster, KubernetesTarget
from egress_server.targets.kubernetes.api.client import Event, ListPage
from egress_server.targets.kubernetes.api.kinds import POD, SERVICE_ENTRY, ApiKind
from egress_server.targets.kubernetes.informer.cache import Cache
from egress_server.targets.kubernetes.informer.watch_specs import WatchSpec
from egress_server.targets.kubernetes.target import Kubernetes
from tests.integration.supervision.scenario import SCENARIOS, Fault, Job
from tests.support.doubles.api_server import an_entry
from tests.support.doubles.memory_target import loop_time
from tests.support.waiting import until

CLUSTER = Cluster("meshes/default/clusters/east", KubernetesTarget())


class QuietApi:
    """The client of an API server on which nothing happens; one of its methods fails."""

    url = "https://c0.example"

    def __init__(self, fault: Fault, broken: str) -> None:
        self.entries: list[Any] = []
        self._fault = fault
        self._broken = broken

    async def read(self, path: str) -> Any:
        """The server's discovery: Istio and its kinds."""
        self._strike(path)
        if path == "/version":
            return {"gitVersion": "v1.36.0"}
        return {"resources": [{"name": name} for name in ("serviceentries", "sidecars")]}

    async def ping(self) -> None:
        """The server responds."""
        self._strike("ping")

    async def pages(self, kind: ApiKind, namespace: str = "", **_: str) -> AsyncIterator[ListPage]:
        """The objects of a kind."""
        self._strike(f"{kind.name} {namespace}".strip())
        yield ListPage(self.entries if kind.name == SERVICE_ENTRY.name else [], "100")

    async def list(self, kind: ApiKind, namespace: str = "", **options: str) -> ListPage:
        """All pages in one."""
        return await anext(self.pages(kind, namespace, **options))

    async def watch(self, kind: ApiKind, *_: str, **__: str) -> AsyncIterator[Event]:
        """Nothing happens."""
        self._strike(f"watch {kind.name}")
        await asyncio.sleep(1)
        yield Event("OPENED", {})
        await asyncio.Event().wait()

    async def close(self) -> None:
        """See ApiClient."""

    def _strike(self, what: str) -> None:
        if what == self._broken:
            self._fault.strike()


def an_api(fault: Fault, broken: str) -> Any:
    """A client with everything that a target needs."""
    return QuietApi(fault, broken)


@SCENARIOS.add(Task.INFORMER)
async def informer(fault: Fault, _: Path) -> AsyncIterator[Job]:
    """What has changed meanwhile is known after the next list."""
    api = an_api(fault, SERVICE_ENTRY.name)
    cache = Cache(api, [WatchSpec(SERVICE_ENTRY)], loop_time)

    async def works() -> None:
        await until(lambda: [key.name for key in cache.objects_of(SERVICE_ENTRY)] == ["new"])
        await cache.wait_for_sync()

    async def provoke() -> None:
        api.entries = [an_entry("new", 100)]
        cache.start()

    yield Job(works, provoke)
    await cache.close()


@SCENARIOS.add(Task.INFORMER_PING)
async def informer_ping(fault: Fault, _: Path) -> AsyncIterator[Job]:
    """The informer continues."""
    cache = Cache(an_api(fault, "ping"), [WatchSpec(SERVICE_ENTRY)], loop_time)
    await cache.wait_for_sync()
    yield Job(fault.next_pass, rest=cache.wait_for_sync)
    await cache.close()


async def _of_target(fault: Fault, broken: str) -> AsyncIterator[Job]:
    target = Kubernetes(an_api(fault, broken), CLUSTER)

    async def gather() -> None:
        await target.gather()

    await gather()
    yield Job(fault.next_pass, rest=gather)
    await target.close()


@SCENARIOS.add(Task.POD_SURVEY)
async def pod_survey(fault: Fault, _: Path) -> AsyncIterator[Job]:
    """The cluster can still be observed, with the last survey."""
    async for job in _of_target(fault, POD.name):
        yield job


@SCENARIOS.add(Task.CAPABILITY_REFRESH)
async def capability_refresh(fault: Fault, _: Path) -> AsyncIterator[Job]:
    """The last known capabilities of the cluster are used."""
    async for job in _of_target(fault, "/version"):
        yield job
