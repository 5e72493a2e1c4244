"""Settings for connections to Istio's DestinationRule, one per host that needs it."""

from egress_server.domain.desired.effective import Effective
from egress_server.domain.model.objects import IstioObject, istio_object
from egress_server.domain.model.resources import TrafficSettings
from egress_server.domain.model.selectors import Labels
from egress_server.domain.render.host_traffic import HostTraffic, all_host_traffic
from egress_server.domain.render.traffic_policy import Part, render_traffic_policy


def render_destination_rules(effective: Effective) -> list[IstioObject]:
    """The objects of all hosts that need one."""
    rules = ((traffic, _policy(traffic)) for traffic in all_host_traffic(effective))
    return [_render(traffic, policy) for traffic, policy in rules if policy]


def _render(traffic: HostTraffic, policy: Part) -> IstioObject:
    spec: Part = {"host": traffic.host, "trafficPolicy": policy}
    if traffic.entry and traffic.entry.export_to:
        spec["exportTo"] = list(traffic.entry.export_to)
    if traffic.entry and (labels := workload_labels(traffic.entry.traffic)):
        # Istio takes a rule for some workloads only in their namespace.
        spec |= {"workloadSelector": {"matchLabels": labels}, "exportTo": ["."]}
    return istio_object("DestinationRule", traffic.namespace, traffic.object_name, traffic.resource, spec)


def workload_labels(settings: TrafficSettings) -> Labels:
    """The labels of the workloads that the rule applies to; empty if it applies to all."""
    tls = settings.tls_origination
    return dict(sorted(tls.match_labels.items())) if tls else {}


def _policy(traffic: HostTraffic) -> Part:
    return render_traffic_policy(traffic.entry) if traffic.entry else {}
