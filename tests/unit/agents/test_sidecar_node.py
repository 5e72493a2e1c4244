"""What a sidecar says of itself, on a page of Envoy 1.40 with the node that Istio gives it."""

import orjson
import pytest

from egress_server.agents.agent.main import VERSION, agent_info
from egress_server.agents.sidecar.envoy_admin import SidecarNode, parse_node
from egress_server.config import AgentSettings
from egress_server.ports.agents import AgentInfo

PAGE = {
    "version": "9e5580933739775e8bce696a57a2e1bc99368f23/1.40.0/Clean/RELEASE/BoringSSL",
    "state": "LIVE",
    "node": {
        "id": "sidecar~192.0.2.7~curl-0.v1.shop~shop.svc.cluster.local",
        "cluster": "curl.shop",
        "metadata": {
            "NAMESPACE": "shop",
            "CLUSTER_ID": "Kubernetes",
            "INTERCEPTION_MODE": "REDIRECT",
            "LABELS": {"app": "curl", "pod-template-hash": "7d9"},
        },
    },
}
NODE = SidecarNode("curl-0.v1", "shop", "Kubernetes", "REDIRECT", {"app": "curl", "pod-template-hash": "7d9"})


def test_node() -> None:
    """Pod, namespace, labels and cluster come from the sidecar."""
    assert parse_node(orjson.dumps(PAGE)) == NODE


@pytest.mark.parametrize(
    ("node", "known"),
    [
        ({}, SidecarNode()),
        ({"id": "envoy-1"}, SidecarNode()),
        ({"id": "sidecar~192.0.2.7~curl-0.shop~shop.svc.cluster.local"}, SidecarNode("curl-0", "shop")),
        ({"metadata": {"NAMESPACE": "shop"}}, SidecarNode(namespace="shop")),
    ],
)
def test_node_with_few_fields(node: object, known: SidecarNode) -> None:
    """What it does not say stays empty."""
    assert parse_node(orjson.dumps({"state": "LIVE", "node": node})) == known


@pytest.mark.parametrize(
    ("page", "said"),
    [
        (b"<html>", "server_info can't be read"),
        (b"[]", "server_info can't be read"),
        (b"{}", "server_info can't be read"),
        (b'{"state": "LIVE", "node": {"metadata": {"LABELS": "app=curl"}}}', "server_info can't be read"),
        (b'{"state": "PRE_INITIALIZING"}', "the sidecar is PRE_INITIALIZING, not LIVE"),
    ],
)
def test_not_ready(page: bytes, said: str) -> None:
    """A sidecar that does not serve yet, and what is none, are waited for alike."""
    with pytest.raises(OSError, match=said):
        parse_node(page)


def test_the_sidecar_says_who_the_agent_is() -> None:
    """Unless configured otherwise."""
    info = agent_info(AgentSettings(server="unix:/x", cluster="c0"), NODE)
    assert info == AgentInfo("curl-0.v1", "c0", "shop", "Kubernetes", VERSION, dict(NODE.labels))


def test_flags_say_otherwise() -> None:
    """Each for itself."""
    settings = AgentSettings(
        server="unix:/x",
        cluster="c0",
        namespace="bank",
        labels=(("app", "web"),),
        name="probe-1",
        workload_cluster="w2",
    )
    assert agent_info(settings, NODE) == AgentInfo("probe-1", "c0", "bank", "w2", VERSION, {"app": "web"})


def test_default_identity() -> None:
    """There is always a name and a namespace."""
    info = agent_info(AgentSettings(server="unix:/x", cluster="c0"), SidecarNode())
    assert info.agent
    assert (info.namespace, info.workload_cluster, info.labels) == ("default", "", {})
