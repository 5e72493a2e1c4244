"""Surveys the pods of a cluster from time to time: which workloads run outdated interception rules, and which are not
covered.

Rules are read when a pod is created, and Istio restarts nothing. Pods come and go all the time, so they are not watched
but listed page by page: less often the longer that takes, and immediately when triggered.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import ip_network

import structlog

from egress_server.aio.waiting import wait_for_event
from egress_server.domain.model.errors import PermanentError, TransientError
from egress_server.domain.observed.inventory import PolicyGap, PolicyGapKind, StaleWorkload
from egress_server.domain.render.policies import ALL
from egress_server.domain.simulate.interception import CaptureRules, describe_bypassed, parse_rules
from egress_server.targets.kubernetes.api.client import ApiClient
from egress_server.targets.kubernetes.api.errors import ApiError
from egress_server.targets.kubernetes.api.kinds import POD
from egress_server.targets.kubernetes.interception.admission import ScopedRules, narrowest
from egress_server.targets.kubernetes.interception.pods import Pod, PodOwner, read_pod, values_of
from egress_server.targets.kubernetes.interception.policy_gaps import pod_gaps
from egress_server.targets.kubernetes.interception.templates import TEMPLATED, PodTemplate, own_annotations
from egress_server.targets.kubernetes.label_selector import WorkloadSelector


@dataclass(frozen=True, slots=True)
class Injection:
    """What new pods get: the mesh's values in the injector, our policies for scopes, what a restart would write into
    templates, namespace and name of the injector's ConfigMap, and the pod templates, if any of that depends on them."""

    mesh: Mapping[str, str]
    policies: Sequence[ScopedRules] = ()
    deferred: Sequence[ScopedRules] = ()
    injector: tuple[str, str] = ("", "")
    templates: Mapping[PodOwner, PodTemplate] = field(default_factory=dict)

    def rules_for(self, pod: Pod) -> CaptureRules:
        """The rules of a pod like this one, if a restart created it now. Our rules override the template's own."""
        template = self.templates.get(pod.owner)
        scope = narrowest(self.policies, pod.namespace, pod.labels)
        if scope is None and template is not None:
            scope = narrowest(self.deferred, pod.namespace, template.labels)
        if scope is not None:
            return parse_rules(scope.values)
        own = pod.annotations if template is None else own_annotations(template.annotations)
        return parse_rules(values_of(own, self.mesh))


def stale_workloads(pods: Iterable[Pod], injection: Injection) -> list[StaleWorkload]:
    """The workloads with a pod whose rules differ from what it would get now, sorted."""
    total: Counter[PodOwner] = Counter()
    stale: Counter[PodOwner] = Counter()
    differences: dict[PodOwner, str] = {}
    for pod in pods:
        if pod.rules is None:
            continue
        total[pod.owner] += 1
        wanted = injection.rules_for(pod)
        if _canonical(pod.rules) != _canonical(wanted):
            stale[pod.owner] += 1
            differences.setdefault(pod.owner, _difference(pod.rules, wanted))
    return [
        StaleWorkload(owner.kind, owner.namespace, owner.name, stale[owner], total[owner], differences[owner])
        for owner in sorted(stale, key=lambda owner: (owner.namespace, owner.name, owner.kind))
    ]


def _selected(pods: Iterable[Pod], selector: WorkloadSelector) -> Iterator[str]:
    for pod in pods:
        if selector.selects(pod.namespace, pod.labels):
            yield from pod.addresses


def injection_gaps(injection: Injection) -> Iterator[PolicyGap]:
    """The mesh's rules and those of scopes under which connections of new pods bypass their sidecars."""
    if injection.mesh and (bypassed := describe_bypassed(parse_rules(injection.mesh))):
        why = f"new sidecars are bypassed by connections {bypassed}"
        yield PolicyGap(PolicyGapKind.INTERCEPTION, "ConfigMap", *injection.injector, why)
    for scope in (*injection.policies, *injection.deferred):
        if bypassed := describe_bypassed(parse_rules(scope.values)):
            labels = ",".join(f"{key}={value}" for key, value in sorted(scope.labels.items()))
            new = f"new sidecars of workloads with {labels}" if labels else "new sidecars"
            why = f"{new} are bypassed by connections {bypassed}"
            yield PolicyGap(PolicyGapKind.INTERCEPTION, "Interception", scope.namespace, labels or "*", why)


def _difference(has: CaptureRules, wanted: CaptureRules) -> str:
    """The first part that differs, human-readable."""
    parts = (
        ("includes", _format(has.include), _format(wanted.include)),
        ("excludes", _format(has.exclude), _format(wanted.exclude)),
        ("includes ports", _format(has.include_ports), _format(wanted.include_ports)),
        ("excludes ports", _format(has.exclude_ports), _format(wanted.exclude_ports)),
    )
    return next((f"{verb} {before}; a new pod {verb} {after}" for verb, before, after in parts if before != after), "")


def _format(items: Iterable[object]) -> str:
    return ",".join(map(str, sorted(items, key=str))) or "nothing"


def _canonical(rules: CaptureRules) -> tuple[frozenset[str], frozenset[str], frozenset[int], frozenset[int]]:
    return _ranges(rules.include), _ranges(rules.exclude), rules.include_ports, rules.exclude_ports


def _ranges(texts: Iterable[str]) -> frozenset[str]:
    """As iptables sees them: bits behind the mask don't count. What is not a range is kept."""
    return frozenset(map(_range, texts))


def _range(text: str) -> str:
    try:
        return text if text == ALL else str(ip_network(text, strict=False))
    except ValueError:
        return text


_log = structlog.get_logger(__name__)

_PAUSE_SECONDS = 5.0
_PAUSE_TIMES = 20.0
"""A pause is at least this many times as long as the survey before it."""


@dataclass(frozen=True, slots=True)
class Survey:
    """The result. `workloads` counts those with a sidecar by namespace; `selected` are the addresses of the ready pods
    that each selector selects."""

    stale: tuple[StaleWorkload, ...] = ()
    policy_gaps: tuple[PolicyGap, ...] = ()
    workloads: Mapping[str, int] = field(default_factory=dict)
    selected: Mapping[WorkloadSelector, tuple[str, ...]] = field(default_factory=dict)


class Surveyor:
    """Keeps `survey` up to date. `injection`, `namespaces` and `selectors` return what is known of the cluster;
    `on_change` is called when the result differs from the one before."""

    def __init__(
        self,
        client: ApiClient,
        injection: Callable[[], Injection],
        namespaces: Callable[[], Mapping[str, Mapping[str, str]]],
        selectors: Callable[[], Collection[WorkloadSelector]],
        on_change: Callable[[], None],
    ) -> None:
        self.survey = Survey()
        self._client = client
        self._injection = injection
        self._namespaces = namespaces
        self._selectors = selectors
        self._on_change = on_change
        self._triggered = asyncio.Event()

    def trigger(self) -> None:
        """Surveys now."""
        self._triggered.set()

    async def run(self) -> None:
        """Surveys until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            self._triggered.clear()
            began = loop.time()
            try:
                await self._survey_once()
            except (TransientError, PermanentError, ApiError) as error:
                _log.warning("pod_survey_failed", url=self._client.url, reason=str(error))
            pause = max(_PAUSE_SECONDS, _PAUSE_TIMES * (loop.time() - began))
            await wait_for_event(self._triggered, pause)

    async def _survey_once(self) -> None:
        pods: list[Pod] = []
        async for page in self._client.pages(POD):
            pods += [pod for item in page.items if (pod := read_pod(item)) is not None]
        injection = self._injection()
        if injection.deferred or any(pod.annotations for pod in pods):
            injection = replace(injection, templates=await self._templates())
        survey = Survey(
            tuple(stale_workloads(pods, injection)),
            (*injection_gaps(injection), *pod_gaps(pods, self._namespaces())),
            Counter(namespace for namespace, _ in {(p.namespace, p.owner) for p in pods if p.has_sidecar}),
            {selector: tuple(sorted(_selected(pods, selector))) for selector in self._selectors()},
        )
        if survey != self.survey:
            self.survey = survey
            self._on_change()

    async def _templates(self) -> dict[PodOwner, PodTemplate]:
        """A pod's annotations may come from a policy; what a new pod would have is in its template."""
        found: dict[PodOwner, PodTemplate] = {}
        for kind in TEMPLATED.values():
            async for page in self._client.pages(kind):
                for item in page.items:
                    owner = PodOwner(kind.name, item["metadata"]["namespace"], item["metadata"]["name"])
                    found[owner] = PodTemplate.of(item)
        return found
