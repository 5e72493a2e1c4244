"""Which DestinationRule applies to a service (destination_rule.go and push_context.go in Istio's pilot/pkg/model)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

from egress_server.domain.desired.effective import Effective
from egress_server.domain.istio.destination_rule import DestinationRuleSpec, Subset, TlsMode, TrafficPolicy
from egress_server.domain.istio.read_destination_rule import read_destination_rule
from egress_server.domain.model.objects import resource_of
from egress_server.domain.model.selectors import Labels
from egress_server.domain.observed.foreign_config import destination_rule_name
from egress_server.domain.render.destination_rule import needs_rule, render_destination_rules
from egress_server.domain.simulate.istiod.hosts import most_specific
from egress_server.domain.simulate.istiod.services import ANY, OWN, MeshService


@dataclass(frozen=True, slots=True)
class DestinationRule:
    """A DestinationRule, or several for one host that istiod has merged. `resources` are what they come from, oldest
    first: managed resources, or names of foreign objects."""

    namespace: str
    order: tuple[bool, datetime, str, str]
    export_to: frozenset[str]
    spec: DestinationRuleSpec
    resources: tuple[str, ...]
    policy_from: str = ""

    def subset(self, name: str) -> Subset | None:
        """The subset of this name."""
        return next((subset for subset in self.spec.subsets if subset.name == name), None)


class DestinationRules:
    """The rules on a cluster."""

    def __init__(self, effective: Effective) -> None:
        """Those of `effective`; the managed ones are rendered when they are asked for."""
        self._effective = effective

    def applies(self, service: MeshService, client: str, labels: Labels) -> DestinationRule | None:
        """The rule for connections of workloads of `client` with `labels` to a service: from the client's namespace,
        else from the service's, else from the root namespace. Of several the one that selects the workload applies,
        else the last without a selector."""
        default: DestinationRule | None = None
        for rule in self._candidates(service, client):
            if not rule.spec.workload_labels:
                default = rule
            elif rule.namespace == client and rule.spec.workload_labels.items() <= labels.items():
                return rule
        return default

    def _candidates(self, service: MeshService, client: str) -> list[DestinationRule]:
        root = self._effective.foreign.root_namespace
        own = self._local(client) if client != root else self._private(root)
        if found := _closest(own, service.host):
            return found
        for namespace in (service.namespace, root):
            exported = _closest(self._exported(namespace), service.host) or []
            visible = [rule for rule in exported if not rule.export_to or rule.export_to & {ANY, client}]
            if visible:
                return visible
        return []

    def _local(self, namespace: str) -> list[DestinationRule]:
        return [
            rule
            for rule in self._of_namespace.get(namespace, ())
            if not rule.export_to or rule.export_to & {ANY, OWN, namespace}
        ]

    def _exported(self, namespace: str) -> list[DestinationRule]:
        return [rule for rule in self._of_namespace.get(namespace, ()) if not self._is_private(rule)]

    def _private(self, namespace: str) -> list[DestinationRule]:
        return [rule for rule in self._of_namespace.get(namespace, ()) if self._is_private(rule)]

    def _is_private(self, rule: DestinationRule) -> bool:
        default = self._effective.foreign.mesh.default_destination_rule_export_to
        if not rule.export_to:
            return OWN in default
        return rule.export_to in ({OWN}, {rule.namespace})

    @cached_property
    def _of_namespace(self) -> dict[str, list[DestinationRule]]:
        """All rules by namespace: those with a selector first, then older ones."""
        found: dict[str, list[DestinationRule]] = {}
        for rule in sorted((*self._foreign(), *self._managed()), key=lambda rule: rule.order):
            if rule.namespace not in self._effective.foreign.ignored_namespaces:
                found.setdefault(rule.namespace, []).append(rule)
        return found

    def _foreign(self) -> Iterator[DestinationRule]:
        for rule in self._effective.foreign.destination_rules:
            name = destination_rule_name(rule)
            yield _rule(rule.namespace, rule.name, rule.create_time, rule.spec, name)

    def _managed(self) -> Iterator[DestinationRule]:
        entries = self._effective.entries
        hosts = {host for entry in entries if needs_rule(entry) for host in entry.hosts}
        concerned = tuple(entry for entry in entries if not hosts.isdisjoint(entry.hosts)) if hosts else ()
        for obj in render_destination_rules(replace(self._effective, entries=concerned)):
            metadata, resource = obj["metadata"], resource_of(obj)
            namespace = metadata["namespace"]
            spec = read_destination_rule(obj["spec"], namespace)
            yield _rule(namespace, metadata["name"], self._effective.create_time(resource), spec, resource)


def tls_of(rule: DestinationRule | None, port: int, subset: str) -> TlsMode | None:
    """The TLS that a rule sets for a port; None if the sidecar sends connections on as they are."""
    if rule is None:
        return None
    tls = _tls(rule.spec.policy, port)
    if found := rule.subset(subset) if subset else None:
        policy = found.policy
        if port in policy.port_tls:
            tls = policy.port_tls[port]
        elif policy.tls is not None:
            tls = policy.tls
    return tls if tls is not None and tls.originates else None


def _tls(policy: TrafficPolicy, port: int) -> TlsMode | None:
    return policy.port_tls.get(port, policy.tls)


def _rule(namespace: str, name: str, created: datetime, spec: DestinationRuleSpec, resource: str) -> DestinationRule:
    return DestinationRule(
        namespace=namespace,
        order=(not spec.workload_labels, created.replace(microsecond=0), name, namespace),
        export_to=frozenset((OWN,)) if spec.workload_labels else frozenset(spec.export_to),
        spec=spec,
        resources=(resource,),
        policy_from=resource if spec.policy.is_set else "",
    )


def _closest(rules: Iterable[DestinationRule], host: str) -> list[DestinationRule] | None:
    """The merged rules for the closest host; None if no rule applies."""
    by_host: dict[str, list[DestinationRule]] = {}
    for rule in rules:
        by_host.setdefault(rule.spec.host, []).append(rule)
    found = most_specific(host, by_host)
    return None if found is None else _merged(by_host[found])


def _merged(rules: Iterable[DestinationRule]) -> list[DestinationRule]:
    """The rules for one host, in order, merged as mergeDestinationRule does: the subsets of all, and the policy of the
    first that has one. Those with another exportTo or selector stay apart."""
    merged: list[DestinationRule] = []
    for rule in rules:
        separately = True
        for index, known in enumerate(merged):
            if rule.export_to != known.export_to and not (known.export_to and rule.export_to >= known.export_to):
                separately = True
                continue
            separately = rule.export_to != known.export_to
            both_select = bool(known.spec.workload_labels and rule.spec.workload_labels)
            if both_select and known.spec.workload_labels != rule.spec.workload_labels:
                separately = True
                continue
            if both_select or not (known.spec.workload_labels or rule.spec.workload_labels):
                separately = False
            merged[index] = _with(known, rule)
        if separately:
            merged.append(rule)
    return merged


def _with(known: DestinationRule, rule: DestinationRule) -> DestinationRule:
    names = {subset.name for subset in known.spec.subsets}
    added = tuple(subset for subset in rule.spec.subsets if subset.name not in names)
    spec = replace(known.spec, subsets=(*known.spec.subsets, *added))
    if not spec.policy.is_set and rule.spec.policy.is_set:
        spec = replace(spec, policy=rule.spec.policy)
    return replace(
        known,
        spec=spec,
        resources=(*known.resources, *rule.resources),
        policy_from=known.policy_from or rule.policy_from,
    )
