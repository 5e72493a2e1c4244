"""Which workloads run with older interception rules than new pods of theirs would get. Rules are read when a pod is
created, and Istio restarts nobody."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import ip_network

import structlog

from egress_server.aio.waiting import wait_for_event
from egress_server.domain.model.errors import PermanentError, TransientError
from egress_server.domain.observed.inventory import PolicyGap, StaleWorkload
from egress_server.domain.render.policies import ALL
from egress_server.domain.simulate.interception import Rules, read_rules
from egress_server.targets.kubernetes.api.client import ApiClient
from egress_server.targets.kubernetes.api.errors import ApiError
from egress_server.targets.kubernetes.api.kinds import POD
from egress_server.targets.kubernetes.interception.admission import ScopedRules, narrowest
from egress_server.targets.kubernetes.interception.pods import Owner, Pod, read_pod, values_of
from egress_server.targets.kubernetes.interception.policy_gaps import pod_gaps
from egress_server.targets.kubernetes.interception.templates import TEMPLATED, PodTemplate, own_annotations


@dataclass(frozen=True, slots=True)
class Injection:
    """What new pods get: the injector's values of the mesh, what our policies say of scopes, what a restart of ours
    would write into templates, and the templates that pods are made from, where any of that takes them to be known."""

    mesh: Mapping[str, str]
    policies: Sequence[ScopedRules] = ()
    deferred: Sequence[ScopedRules] = ()
    templates: Mapping[Owner, PodTemplate] = field(default_factory=dict)

    def rules_for(self, pod: Pod) -> Rules:
        """Of a pod like this one, created now by a restart of ours. Ours stands above what the template says."""
        template = self.templates.get(pod.owner)
        scope = narrowest(self.policies, pod.namespace, pod.labels)
        if scope is None and template is not None:
            scope = narrowest(self.deferred, pod.namespace, template.labels)
        if scope is not None:
            return read_rules(scope.values)
        own = pod.annotations if template is None else own_annotations(template.annotations)
        return read_rules(values_of(own, self.mesh))


def stale_workloads(pods: Iterable[Pod], injection: Injection) -> list[StaleWorkload]:
    """The workloads of which a pod has other rules than it would get now, in order."""
    total: Counter[Owner] = Counter()
    stale: Counter[Owner] = Counter()
    why: dict[Owner, str] = {}
    for pod in pods:
        if pod.rules is None:
            continue
        total[pod.owner] += 1
        wanted = injection.rules_for(pod)
        if _canonical(pod.rules) != _canonical(wanted):
            stale[pod.owner] += 1
            why.setdefault(pod.owner, _difference(pod.rules, wanted))
    return [
        StaleWorkload(owner.kind, owner.namespace, owner.name, stale[owner], total[owner], why[owner])
        for owner in sorted(stale, key=lambda owner: (owner.namespace, owner.name, owner.kind))
    ]


def _difference(has: Rules, wanted: Rules) -> str:
    """The first part that differs, for people."""
    parts = (
        ("includes", _shown(has.include), _shown(wanted.include)),
        ("excludes", _shown(has.exclude), _shown(wanted.exclude)),
        ("includes ports", _shown(has.include_ports), _shown(wanted.include_ports)),
        ("excludes ports", _shown(has.exclude_ports), _shown(wanted.exclude_ports)),
    )
    return next((f"{verb} {before}; a new pod {verb} {after}" for verb, before, after in parts if before != after), "")


def _shown(items: Iterable[object]) -> str:
    return ",".join(map(str, sorted(items, key=str))) or "nothing"


def _canonical(rules: Rules) -> tuple[frozenset[str], frozenset[str], frozenset[int], frozenset[int]]:
    return _ranges(rules.include), _ranges(rules.exclude), rules.include_ports, rules.exclude_ports


def _ranges(texts: Iterable[str]) -> frozenset[str]:
    """As iptables takes them: bits behind the mask count for nothing. What is no range is itself."""
    return frozenset(map(_range, texts))


def _range(text: str) -> str:
    try:
        return text if text == ALL else str(ip_network(text, strict=False))
    except ValueError:
        return text


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
