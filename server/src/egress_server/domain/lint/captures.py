"""Interceptions that leave connections to bypass the sidecar, as rules about hollow policy look them up."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from itertools import islice

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.foreign_objects import EXAMINED, first_clusters, on_clusters
from egress_server.domain.lint.ip_ranges import service_cidrs
from egress_server.domain.model.clusters import KubernetesTarget
from egress_server.domain.model.resources import Interception, ServiceEntry
from egress_server.domain.model.selectors import ClusterSelector, Scope, includes, selectors_overlap
from egress_server.domain.render.policies import ALL, SERVICE_CIDRS
from egress_server.domain.simulate.interception import (
    CaptureRules,
    captures_every_range,
    decide_capture,
    describe_bypassed,
    parse_rules,
)


@dataclass(frozen=True, slots=True)
class PartialCapture:
    """Rules under which connections bypass the sidecar. `resource` is the interception that sets them; it is empty for
    the injector's own values, which `description` names."""

    rules: CaptureRules
    description: str
    resource: str = ""


def partial_captures(
    snapshot: Snapshot, viewers: Collection[str], clusters: ClusterSelector
) -> Iterator[PartialCapture]:
    """Those that may apply to workloads of the namespaces `viewers` (`*`: of any) on clusters that `clusters` matches;
    EXAMINED of each kind at most."""
    for policy in islice(snapshot.indexes.interceptions(viewers), EXAMINED):
        if selectors_overlap(policy.cluster_selector, clusters) and not _is_overridden(snapshot, policy, clusters):
            rules = capture_rules(snapshot, policy)
            if describe_bypassed(rules):
                yield PartialCapture(rules, policy.name, policy.name)
    for row in islice(snapshot.inventories.injector_values(), EXAMINED):
        for cluster, values in on_clusters(snapshot, clusters, row):
            mesh_wide = snapshot.indexes.with_scope(Interception, Scope())
            if not any(policy.cluster_selector.selects(cluster) for policy in mesh_wide):
                rules = parse_rules(dict(values))
                if describe_bypassed(rules):
                    yield PartialCapture(rules, f"the configuration of the injector on cluster {cluster.id}")
                break


def capture_rules(snapshot: Snapshot, policy: Interception) -> CaptureRules:
    """The rules of pods under `policy`. A cluster's service ranges are a placeholder, which is left out if none of the
    first EXAMINED clusters has any."""
    included: tuple[str, ...] = policy.include_cidrs
    if policy.include_service_cidrs and (included or _has_service_ranges(snapshot, policy)):
        included = (*included, SERVICE_CIDRS)
    return CaptureRules(
        include=() if policy.none else included or (ALL,),
        exclude=policy.exclude_cidrs,
        include_ports=frozenset(policy.include_outbound_ports),
        exclude_ports=frozenset(policy.exclude_outbound_ports),
    )


def bypass_reason(rules: CaptureRules, entry: ServiceEntry, ports: Collection[int]) -> str:
    """Why connections to one of these ports of `entry` bypass the sidecar; empty if they don't. If its addresses are
    not known, it is assumed not to be in an excluded range, and not in an included one either."""
    if not entry.addresses:
        rules = replace(rules, exclude=(), include=(ALL,) if captures_every_range(rules) else rules.include)
    addresses = [address.partition("/")[0] for address in entry.addresses] or [""]
    for port in ports:
        for address in addresses:
            decision = decide_capture(rules, address, port)
            if decision.captured is not True:
                return decision.reason
    return ""


def _is_overridden(snapshot: Snapshot, policy: Interception, clusters: ClusterSelector) -> bool:
    """Whether a policy of higher rank for the same scope applies to all of `clusters` instead."""
    return any(
        other.cluster_selector.rank > policy.cluster_selector.rank and includes(other.cluster_selector, clusters)
        for other in snapshot.indexes.same_scope(policy)
    )


def _has_service_ranges(snapshot: Snapshot, policy: Interception) -> bool:
    clusters = first_clusters(snapshot, policy.cluster_selector)
    return any(isinstance(each.target, KubernetesTarget) or service_cidrs(snapshot, each) for each in clusters)
