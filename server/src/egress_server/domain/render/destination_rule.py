"""Settings for connections to Istio's DestinationRule.

Istio takes a rule from the client's namespace, else from the namespace that provides the host, else from the root
namespace. Of several for one host in a namespace it uses the youngest that the client sees: so if one of them is
exported to all, it must be the only one.
"""

from collections.abc import Iterator, Sequence

from egress_server.domain.desired.effective import Effective
from egress_server.domain.model.objects import IstioObject, istio_object, root_namespace
from egress_server.domain.model.resources import ServiceEntry
from egress_server.domain.render.host_traffic import HostTraffic, all_host_traffic
from egress_server.domain.render.traffic_policy import Part, render_traffic_policy


def render_destination_rules(effective: Effective) -> list[IstioObject]:
    """The objects of all hosts that need one. A rule of the root namespace would apply to the entries of all others as
    well: those get an empty one."""
    providers = [traffic for traffic in all_host_traffic(effective) if traffic.is_provider]
    public = {(traffic.host, traffic.namespace) for traffic in providers if traffic.is_public}
    rules = [
        (
            traffic,
            needs_rule(traffic.entry) and (traffic.is_first or (traffic.host, traffic.namespace) not in public),
        )
        for traffic in providers
    ]
    root = root_namespace(effective.cluster)
    inherited = {traffic.host for traffic, needed in rules if needed and traffic.namespace == root}
    return [
        _render(traffic)
        for traffic, needed in rules
        if needed or (traffic.host in inherited and traffic.namespace != root)
    ]


def shared_rules(objects: Sequence[HostTraffic]) -> Iterator[tuple[ServiceEntry, ServiceEntry]]:
    """Of the objects of one host, the entries whose connection settings don't apply, each with the entry of the same
    namespace whose settings, or lack of settings, apply to its clients."""
    for first in objects:
        others = [each for each in objects if each.is_provider and each.namespace == first.namespace]
        if first.is_first and first.entry and any(each.is_public for each in others):
            policy = render_traffic_policy(first.entry)
            for entry in [each.entry for each in others if each.entry]:
                if render_traffic_policy(entry) != policy and (needs_rule(entry) or first.is_public):
                    yield entry, first.entry


def needs_rule(entry: ServiceEntry | None) -> bool:
    """Whether an entry requires a DestinationRule."""
    return entry is not None and bool(render_traffic_policy(entry))


def _render(traffic: HostTraffic) -> IstioObject:
    spec: Part = {"host": traffic.host}
    if traffic.entry and (policy := render_traffic_policy(traffic.entry)):
        spec["trafficPolicy"] = policy
    spec["exportTo"] = list(traffic.export_to)
    tls = traffic.settings.tls_origination
    if tls and tls.match_labels:
        # Istio allows a rule for some workloads in their own namespace only.
        labels = dict(sorted(tls.match_labels.items()))
        spec |= {"workloadSelector": {"matchLabels": labels}, "exportTo": ["."]}
    return istio_object("DestinationRule", traffic.namespace, traffic.object_name, traffic.resource, spec)
