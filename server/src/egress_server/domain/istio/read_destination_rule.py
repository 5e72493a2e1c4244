"""Reads the spec of a DestinationRule manifest."""

from egress_server.domain.istio.destination_rule import DestinationRuleSpec, Subset, TlsMode, TrafficPolicy
from egress_server.domain.istio.manifest import Spec, child, children, full_name, labels, number, text, texts

_POLICY, _UPGRADE = "trafficPolicy", "UPGRADE"


def read_destination_rule(spec: Spec, namespace: str) -> DestinationRuleSpec:
    """The spec of a DestinationRule in `namespace`, with a full host name."""
    return DestinationRuleSpec(
        host=full_name(text(spec, "host"), namespace),
        export_to=texts(spec, "exportTo"),
        workload_labels=labels(child(spec, "workloadSelector"), "matchLabels"),
        policy=_traffic_policy(spec),
        subsets=tuple(
            Subset(text(subset, "name"), labels(subset, "labels"), _traffic_policy(subset))
            for subset in children(spec, "subsets")
        ),
    )


def _traffic_policy(spec: Spec) -> TrafficPolicy:
    policy = child(spec, _POLICY)
    http = child(child(policy, "connectionPool"), "http")
    return TrafficPolicy(
        is_set=_POLICY in spec,
        tls=_tls_mode(policy),
        port_tls={
            number(child(settings, "port"), "number"): _tls_mode(settings)
            for settings in children(policy, "portLevelSettings")
        },
        h2_upgrade=text(http, "h2UpgradePolicy") == _UPGRADE,
    )


def _tls_mode(policy: Spec) -> TlsMode | None:
    """None if there are no TLS settings. Those without a mode are the enum's zero, DISABLE."""
    if "tls" not in policy:
        return None
    mode = text(child(policy, "tls"), "mode")
    return next((each for each in TlsMode if each.value == mode), TlsMode.DISABLE)
