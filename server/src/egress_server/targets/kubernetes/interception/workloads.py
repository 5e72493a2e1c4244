"""Which workloads run with older interception rules than new pods of theirs would get. Rules are read when a pod is
created, and Istio restarts nobody."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network

from egress_server.domain.observed.inventory import StaleWorkload
from egress_server.domain.render.policies import ALL
from egress_server.domain.simulate.interception import CaptureRules, parse_rules
from egress_server.targets.kubernetes.interception.pods import Owner, Pod, values_of
from egress_server.targets.kubernetes.interception.scoped_rules import ScopedRules, narrowest
from egress_server.targets.kubernetes.interception.templates import PodTemplate, own_annotations


@dataclass(frozen=True, slots=True)
class Injection:
    """What new pods get: the injector's values of the mesh, what our policies say of scopes, what a restart of ours
    would write into templates, and the templates that pods are made from, where any of that takes them to be known."""

    mesh: Mapping[str, str]
    policies: Sequence[ScopedRules] = ()
    deferred: Sequence[ScopedRules] = ()
    templates: Mapping[Owner, PodTemplate] = field(default_factory=dict)

    def rules_for(self, pod: Pod) -> CaptureRules:
        """Of a pod like this one, created now by a restart of ours. Ours stands above what the template says."""
        template = self.templates.get(pod.owner)
        scope = narrowest(self.policies, pod.namespace, pod.labels)
        if scope is None and template is not None:
            scope = narrowest(self.deferred, pod.namespace, template.labels)
        if scope is not None:
            return parse_rules(scope.values)
        own = pod.annotations if template is None else own_annotations(template.annotations)
        return parse_rules(values_of(own, self.mesh))


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


def _difference(has: CaptureRules, wanted: CaptureRules) -> str:
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


def _canonical(rules: CaptureRules) -> tuple[frozenset[str], frozenset[str], frozenset[int], frozenset[int]]:
    return _ranges(rules.include), _ranges(rules.exclude), rules.include_ports, rules.exclude_ports


def _ranges(texts: Iterable[str]) -> frozenset[str]:
    """As iptables takes them: bits behind the mask count for nothing. What is no range is itself."""
    return frozenset(map(_range, texts))


def _range(text: str) -> str:
    try:
        return text if text == ALL else str(ip_network(text, strict=False))
    except ValueError:
        return text
