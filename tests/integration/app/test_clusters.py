"""Several clusters, each a real Envoy: a policy for one of them, and clusters registered by the API."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.app.requests import MESH, ok
from tests.integration.app.transports import GrpcTransport, Json, RestTransport, Transport
from tests.support.egressd import Egressd, run_cli, running
from tests.support.waiting import eventually

pytestmark = pytest.mark.xdist_group("app-clusters")

HOST = "www.aliyun.com"
ENVOY_TIME = "x-envoy-upstream-service-time"


@pytest.fixture(scope="module")
def egressd(outside: list[str]) -> Iterator[Egressd]:
    """An egressd with the clusters `one` and `two`."""
    with (
        tempfile.TemporaryDirectory(prefix="egressd-") as folder,
        running(Path(folder), clusters=["one", "two"], resolve=outside) as started,
    ):
        yield started


def settle(transport: Transport, reply: Json) -> None:
    """Waits until a change is verified on every affected cluster."""
    request = {"name": reply["change"]["name"], "until": "VERIFIED", "timeout": "25s"}
    waited = ok(transport.call("WaitChange", request))
    assert waited.get("reached"), waited


def set_mode(transport: Transport, id_: str, mode: str, **fields: object) -> Json:
    """Sets the mesh's policy, or one for some clusters."""
    request = {"parent": MESH, "outboundPolicyId": id_, "outboundPolicy": {"mode": mode, **fields}}
    reply = ok(transport.call("SetOutboundPolicy", request))
    settle(transport, reply)
    return reply


def probe(transport: Transport, cluster: str, scheme: str = "http") -> Json:
    """What a workload of a cluster gets from the document's host; it must match policy."""
    body = ok(transport.call("Probe", {"cluster": f"{MESH}/clusters/{cluster}", "url": f"{scheme}://{HOST}/"}))
    assert body["agrees"], body
    return body


def attached(transport: Transport, cluster: str) -> bool:
    """Whether a cluster is reconciled and has an agent."""
    answer = transport.call("GetCluster", {"name": f"{MESH}/clusters/{cluster}"})
    return bool(ok(answer).get("status", {}).get("agents"))


@pytest.fixture(autouse=True)
def ready(by_grpc: GrpcTransport) -> None:
    """Every agent is attached."""
    eventually(lambda: attached(by_grpc, "one") and attached(by_grpc, "two"), "agents")


def test_policy_of_one_cluster(by_grpc: GrpcTransport, by_rest: RestTransport) -> None:
    """A policy that selects one cluster applies only there, and overrides the one for all."""
    set_mode(by_grpc, "all", "ALLOW_ANY")
    only = set_mode(by_rest, "only-two", "REGISTRY_ONLY", clusterSelector={"clusters": ["two"]})
    rollouts = ok(by_grpc.call("ListClusterRollouts", {"parent": only["change"]["name"]}))["clusterRollouts"]
    assert [(r["cluster"], r["state"]) for r in rollouts] == [(f"{MESH}/clusters/two", "VERIFIED")]
    assert probe(by_rest, "one")["outcome"] == "PASSTHROUGH"
    blocked = probe(by_grpc, "two")
    assert (blocked["outcome"], blocked["attempts"][0]["status"]) == ("BLOCKED", 502)
    assert blocked["expected"]["resource"] == only["outboundPolicy"]["name"]
    ok(by_grpc.call("DeleteOutboundPolicy", {"name": only["outboundPolicy"]["name"]}))


def test_entry_of_clusters_with_a_label(by_grpc: GrpcTransport, by_rest: RestTransport) -> None:
    """An entry for clusters with a label follows the label: a cluster that gets the label later gets the entry."""
    set_mode(by_grpc, "all", "REGISTRY_ONLY")
    ok(by_grpc.call("RegisterCluster", {"parent": MESH, "clusterId": "one", "cluster": _local(tier="gold")}))
    text = Path("examples/aliyun-serviceentry.yaml").read_text()
    request = {"parent": MESH, "istioYaml": text, "clusterSelector": {"matchLabels": {"tier": "gold"}}}
    made = ok(by_rest.call("UpsertServiceEntry", request))
    settle(by_grpc, made)
    registered = probe(by_rest, "one")
    assert (registered["outcome"], registered["attempts"][0]["status"]) == ("REGISTERED", 301)
    assert any(h["name"] == ENVOY_TIME for h in registered["attempts"][0]["headers"])
    assert probe(by_rest, "two", "https")["outcome"] == "BLOCKED"

    settle(
        by_grpc,
        ok(by_rest.call("RegisterCluster", {"parent": MESH, "clusterId": "two", "cluster": _local(tier="gold")})),
    )
    secure = probe(by_grpc, "two", "https")
    assert (secure["outcome"], secure["attempts"][0]["status"]) == ("REGISTERED", 200)
    ok(by_grpc.call("DeleteServiceEntry", {"name": made["serviceEntry"]["name"]}))


def _local(**labels: str) -> Json:
    return {"local": {}, "labels": labels}


def test_cluster_by_the_api(egressd: Egressd, by_grpc: GrpcTransport) -> None:
    """A local cluster registered by egressctl gets an Envoy and an agent automatically, and gets the policy."""
    set_mode(by_grpc, "all", "REGISTRY_ONLY")
    done = run_cli(
        "egress.cli", "cluster", "register", "three", "--target", "local", "--wait", "applied", server=egressd.grpc
    )
    assert done.returncode == 0, done.stderr
    eventually(lambda: attached(by_grpc, "three"), "an agent of three")
    assert len(egressd.children("envoy")) == 3
    assert probe(by_grpc, "three")["outcome"] == "BLOCKED"
    done = run_cli("egress.cli", "probe", f"http://{HOST}/", "--from", "three", server=egressd.grpc)
    assert done.returncode == 0, done.stderr
    assert "502" in done.stdout
    assert "BLOCKED" in done.stdout


def test_they_are_there_after_a_restart(egressd: Egressd, by_grpc: GrpcTransport, by_rest: RestTransport) -> None:
    """After a restart every registered cluster is reconciled again, with its policy."""
    set_mode(by_grpc, "all", "REGISTRY_ONLY")
    assert egressd.stop() == 0
    egressd.start()
    names = [c["name"].rpartition("/")[2] for c in ok(by_grpc.call("ListClusters", {"parent": MESH}))["clusters"]]
    for name in names:
        eventually(lambda name=name: attached(by_rest, name), f"an agent of {name}")  # type: ignore[misc]
        assert probe(by_rest, name)["outcome"] == "BLOCKED"
