"""Looks at the pods of a cluster from time to time: which workloads are stale, and who is not covered.

Pods come and go all the time, so they are not followed; they are listed page by page, the less often the longer that
takes, and at once when there is reason to.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import structlog

from egress_server.aio.waiting import wait_for_event
from egress_server.domain.model.errors import PermanentError, TransientError
from egress_server.domain.observed.inventory import PolicyGap, StaleWorkload
from egress_server.targets.kubernetes.api.client import ApiClient
from egress_server.targets.kubernetes.api.errors import ApiError
from egress_server.targets.kubernetes.api.kinds import POD
from egress_server.targets.kubernetes.interception.pods import Owner, Pod, read_pod
from egress_server.targets.kubernetes.interception.policy_gaps import pod_gaps
from egress_server.targets.kubernetes.interception.templates import TEMPLATED, PodTemplate
from egress_server.targets.kubernetes.interception.workloads import Injection, stale_workloads

_log = structlog.get_logger(__name__)

_PAUSE_SECONDS = 5.0
_PAUSE_TIMES = 20.0
"""A pause is at least so many times as long as the look before it."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What the pods say. `workloads` counts those with a sidecar by namespace."""

    stale: tuple[StaleWorkload, ...] = ()
    policy_gaps: tuple[PolicyGap, ...] = ()
    workloads: Mapping[str, int] = field(default_factory=dict)


class Surveyor:
    """Keeps `survey` as of lately. `injection` and `namespaces` tell what is known of the cluster when it is asked;
    `news` is called when the survey says something else than before."""

    def __init__(
        self,
        client: ApiClient,
        injection: Callable[[], Injection],
        namespaces: Callable[[], Mapping[str, Mapping[str, str]]],
        news: Callable[[], None],
    ) -> None:
        self.survey = Survey()
        self._client = client
        self._injection = injection
        self._namespaces = namespaces
        self._news = news
        self._reason = asyncio.Event()

    def look_again(self) -> None:
        """There is reason to look now."""
        self._reason.set()

    async def run(self) -> None:
        """Looks until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            self._reason.clear()
            began = loop.time()
            try:
                await self._look()
            except (TransientError, PermanentError, ApiError) as error:
                _log.warning("pods_not_looked_at", url=self._client.url, why=str(error))
            pause = max(_PAUSE_SECONDS, _PAUSE_TIMES * (loop.time() - began))
            await wait_for_event(self._reason, pause)

    async def _look(self) -> None:
        pods: list[Pod] = []
        async for page in self._client.pages(POD):
            pods += [pod for item in page.items if (pod := read_pod(item)) is not None]
        injection = self._injection()
        if injection.deferred or any(pod.annotations for pod in pods):
            injection = replace(injection, templates=await self._templates())
        survey = Survey(
            tuple(stale_workloads(pods, injection)),
            tuple(pod_gaps(pods, self._namespaces())),
            Counter(namespace for namespace, _ in {(p.namespace, p.owner) for p in pods if p.has_sidecar}),
        )
        if survey != self.survey:
            self.survey = survey
            self._news()

    async def _templates(self) -> dict[Owner, PodTemplate]:
        """What a pod has may be a policy's; what a new one would have, its template tells."""
        found: dict[Owner, PodTemplate] = {}
        for kind in TEMPLATED.values():
            async for page in self._client.pages(kind):
                for item in page.items:
                    owner = Owner(kind.name, item["metadata"]["namespace"], item["metadata"]["name"])
                    found[owner] = PodTemplate.of(item)
        return found
