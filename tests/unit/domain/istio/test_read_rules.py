"""Specs of DestinationRules and Sidecars are read as Istio reads them, whatever they contain."""

from typing import Any

import pytest

from egress_server.domain.istio.destination_rule import DestinationRuleSpec, Subset, TlsMode, TrafficPolicy
from egress_server.domain.istio.read_destination_rule import read_destination_rule
from egress_server.domain.istio.read_sidecar import read_egress_listeners, read_egress_proxy
from egress_server.domain.istio.sidecar import EgressListener, EgressProxy


def test_a_whole_destination_rule() -> None:
    """Everything that decides."""
    spec = {
        "host": "web",
        "exportTo": ["."],
        "workloadSelector": {"matchLabels": {"app": "a"}},
        "trafficPolicy": {
            "tls": {"mode": "SIMPLE"},
            "portLevelSettings": [
                {"port": {"number": 80}, "tls": {"mode": "DISABLE"}},
                {"port": {"number": 443}, "loadBalancer": {}},
            ],
            "connectionPool": {"http": {"h2UpgradePolicy": "UPGRADE"}},
        },
        "subsets": [{"name": "v1", "labels": {"v": "1"}, "trafficPolicy": {"tls": {"mode": "MUTUAL"}}}, {"name": "v2"}],
    }
    assert read_destination_rule(spec, "shop") == DestinationRuleSpec(
        host="web.shop.svc.cluster.local",
        export_to=(".",),
        workload_labels={"app": "a"},
        policy=TrafficPolicy(True, TlsMode.SIMPLE, {80: TlsMode.DISABLE, 443: None}, h2_upgrade=True),
        subsets=(Subset("v1", {"v": "1"}, TrafficPolicy(True, TlsMode.MUTUAL)), Subset("v2")),
    )


@pytest.mark.parametrize(
    ("policy", "mode"),
    [({}, None), ({"tls": {}}, TlsMode.DISABLE), ({"tls": {"mode": "ISTIO_MUTUAL"}}, TlsMode.ISTIO_MUTUAL)],
)
def test_tls_without_a_mode_is_disabled(policy: dict[str, Any], mode: TlsMode | None) -> None:
    """The enum's zero."""
    assert read_destination_rule({"host": "x.example", "trafficPolicy": policy}, "shop").policy.tls is mode


@pytest.mark.parametrize("spec", [{}, {"host": 1, "trafficPolicy": 2, "subsets": 3, "workloadSelector": "x"}])
def test_a_destination_rule_of_wrong_types_is_empty(spec: dict[str, Any]) -> None:
    """And no error."""
    found = read_destination_rule(spec, "shop")
    assert (found.host, found.policy.tls, found.subsets, found.workload_labels) == ("", None, (), {})


def test_listeners_of_a_sidecar() -> None:
    """One for a port, one for all others."""
    spec = {
        "egress": [
            {"port": {"number": 80, "protocol": "HTTP", "name": "h"}, "bind": "127.0.0.1", "hosts": ["*/*", "~lab/*"]},
            {"captureMode": "NONE", "hosts": ["./*"]},
        ]
    }
    assert read_egress_listeners(spec) == (
        EgressListener(("*/*", "~lab/*"), 80, "HTTP", "127.0.0.1"),
        EgressListener(("./*",), capture_mode="NONE"),
    )


def test_the_egress_proxy_of_a_sidecar() -> None:
    """With its port and subset."""
    proxy = {"host": "gw.lab.svc.cluster.local", "port": {"number": 8443}, "subset": "v1"}
    spec = {"outboundTrafficPolicy": {"mode": "ALLOW_ANY", "egressProxy": proxy}}
    assert read_egress_proxy(spec, "shop") == EgressProxy("gw.lab.svc.cluster.local", 8443, "v1")


@pytest.mark.parametrize("spec", [{}, {"egress": 1, "outboundTrafficPolicy": 2}, {"egress": [1]}])
def test_a_sidecar_of_wrong_types_restricts_nothing(spec: dict[str, Any]) -> None:
    """And no error."""
    assert (read_egress_listeners(spec), read_egress_proxy(spec, "shop")) == ((), None)
