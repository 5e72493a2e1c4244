"""What the clients send, and what they return."""

from collections.abc import Iterator
from pathlib import Path

import grpc
import grpc.aio
import pytest
from google.protobuf.duration_pb2 import Duration

from egress import (
    AsyncEgressClient,
    Change,
    Cluster,
    EgressClient,
    Endpoint,
    EtagMismatch,
    OutboundPolicy,
    ServiceEntry,
    ServicePort,
)
from egress.v1 import change_service_pb2, egress_service_pb2, fleet_service_pb2
from egress.v1.common_pb2 import ClusterSelector, Scope
from egress.v1.probe_pb2 import ProbeRequest
from tests.unit.sdk.fake_server import FakeServer, fake_server
from tests.unit.sdk.statuses import ETAG_MISMATCH, UNAVAILABLE


@pytest.fixture
def client(server: FakeServer) -> Iterator[EgressClient]:
    """A client of that server."""
    with EgressClient(server.target) as client:
        yield client


def test_set_outbound_policy(client: EgressClient, server: FakeServer) -> None:
    """All arguments of a policy arrive in their fields."""
    client.set_outbound_policy(
        "registry-only",
        id="x",
        namespace="shop",
        match_labels={"app": "web"},
        clusters=["a"],
        etag="e",
        create_only=True,
        validate_only=True,
        reason="why",
        suppress_findings=["EGR0101"],
        request_id="r",
    )
    assert server.sent("SetOutboundPolicy") == [
        egress_service_pb2.SetOutboundPolicyRequest(
            parent="meshes/default",
            outbound_policy_id="x",
            outbound_policy=OutboundPolicy(
                mode=OutboundPolicy.REGISTRY_ONLY,
                scope=Scope(namespace="shop", match_labels={"app": "web"}),
                cluster_selector=ClusterSelector(clusters=["a"]),
            ),
            request_id="r",
            etag="e",
            create_only=True,
            validate_only=True,
            reason="why",
            suppress_findings=["EGR0101"],
        )
    ]


def test_upsert_service_entry_from_fields(client: EgressClient, server: FakeServer) -> None:
    """Ports and endpoints may be text or messages."""
    client.upsert_service_entry(
        "aliyun",
        hosts=["www.aliyun.com"],
        ports=["80:http", "443:TLS:web:8443", ServicePort(number=1, protocol=ServicePort.TCP)],
        endpoints=["192.0.2.1", Endpoint(address="192.0.2.2", weight=2)],
        cluster_labels={"env": "prod"},
        request_id="r",
    )
    assert server.sent("UpsertServiceEntry") == [
        egress_service_pb2.UpsertServiceEntryRequest(
            parent="meshes/default/namespaces/default",
            service_entry_id="aliyun",
            service_entry=ServiceEntry(
                hosts=["www.aliyun.com"],
                ports=[
                    ServicePort(number=80, protocol=ServicePort.HTTP),
                    ServicePort(number=443, protocol=ServicePort.TLS, name="web", target_port=8443),
                    ServicePort(number=1, protocol=ServicePort.TCP),
                ],
                resolution=ServiceEntry.DNS,
                location=ServiceEntry.MESH_EXTERNAL,
                endpoints=[Endpoint(address="192.0.2.1"), Endpoint(address="192.0.2.2", weight=2)],
                cluster_selector=ClusterSelector(match_labels={"env": "prod"}),
            ),
            request_id="r",
        )
    ]


@pytest.mark.parametrize(("namespace", "parent"), [("", "meshes/default"), ("shop", "meshes/default/namespaces/shop")])
def test_upsert_service_entry_from_yaml(client: EgressClient, server: FakeServer, namespace: str, parent: str) -> None:
    """YAML is sent unchanged, and decides the namespace unless one is given."""
    client.upsert_service_entry(yaml="kind: ServiceEntry", namespace=namespace, clusters=["a"], request_id="r")
    assert server.sent("UpsertServiceEntry") == [
        egress_service_pb2.UpsertServiceEntryRequest(
            parent=parent,
            istio_yaml="kind: ServiceEntry",
            cluster_selector=ClusterSelector(clusters=["a"]),
            request_id="r",
        )
    ]


def test_what_cannot_be_read_is_not_sent(client: EgressClient, server: FakeServer) -> None:
    """A value that is not valid raises a ValueError that names it."""
    with pytest.raises(ValueError, match="YAML or as fields"):
        client.upsert_service_entry("x", yaml="a: b", hosts=["h"])
    with pytest.raises(ValueError, match="'x:HTTP'"):
        client.upsert_service_entry("x", hosts=["h"], ports=["x:HTTP"])
    with pytest.raises(ValueError, match="'SMTP' is not valid: must be one of HTTP"):
        client.upsert_service_entry("x", hosts=["h"], ports=["25:SMTP"])
    with pytest.raises(ValueError, match="ALLOW_ANY, REGISTRY_ONLY"):
        client.set_outbound_policy("closed")
    assert server.requests == []


def test_probe(client: EgressClient, server: FakeServer) -> None:
    """All arguments of a probe arrive in their fields."""
    client.probe(
        "http://x/",
        cluster="a",
        namespace="shop",
        method="GET",
        headers={"k": "v"},
        resolve="192.0.2.1",
        attempt_timeout=0.5,
        min_applied_revision=7,
    )
    assert server.sent("Probe") == [
        ProbeRequest(
            cluster="meshes/default/clusters/a",
            namespace="shop",
            url="http://x/",
            method="GET",
            headers={"k": "v"},
            resolve="192.0.2.1",
            timeout=Duration(nanos=500_000_000),
            min_applied_revision=7,
        )
    ]


def test_register_cluster(client: EgressClient, server: FakeServer) -> None:
    """A cluster is registered with its target and labels; an unknown target is refused."""
    client.register_cluster("a", labels={"env": "test"}, request_id="r")
    assert server.sent("RegisterCluster") == [
        fleet_service_pb2.RegisterClusterRequest(
            parent="meshes/default",
            cluster_id="a",
            cluster=Cluster(labels={"env": "test"}, local=Cluster.LocalTarget()),
            request_id="r",
        )
    ]
    with pytest.raises(ValueError, match="'asm' is not valid: must be one of local, directory"):
        client.register_cluster("a", target="asm")  # type: ignore[arg-type]


def test_names(server: FakeServer) -> None:
    """IDs get the mesh and namespace, full names stay, and a change may be given in three ways."""
    change = Change(name="meshes/m/changes/3", revision=3)
    with EgressClient(server.target, mesh="m") as client:
        client.get_outbound_policy()
        client.get_service_entry("e", namespace="ns")
        client.delete_service_entry("meshes/o/namespaces/n/serviceEntries/e", namespace="ignored")
        client.get_cluster("c")
        client.get_change(3)
        client.get_change(change)
        client.wait_change("meshes/m/changes/3", until="verified", timeout=1)
    assert [getattr(request, "name", "") for _, request in server.requests] == [
        "meshes/m/outboundPolicies/default",
        "meshes/m/namespaces/ns/serviceEntries/e",
        "meshes/o/namespaces/n/serviceEntries/e",
        "meshes/m/clusters/c",
        *["meshes/m/changes/3"] * 3,
    ]
    waited = server.sent("WaitChange")[0]
    assert isinstance(waited, change_service_pb2.WaitChangeRequest)
    assert waited.until == change_service_pb2.WaitChangeRequest.VERIFIED


def test_every_mutation_has_an_id_of_its_own(client: EgressClient, server: FakeServer) -> None:
    """If the caller gives no request_id, the client generates a new one for each call."""
    client.set_outbound_policy("ALLOW_ANY")
    client.delete_outbound_policy("default")
    client.delete_service_entry("x")
    client.upsert_service_entry("x", hosts=["h"], ports=["80:HTTP"])
    client.register_cluster("a")
    ids = {getattr(request, "request_id", "") for _, request in server.requests}
    assert len(ids) == 5
    assert all(len(request_id) == 32 for request_id in ids)


def test_a_retry_is_the_same_request(client: EgressClient, server: FakeServer) -> None:
    """UNAVAILABLE is retried with the request_id of the first attempt."""
    server.answer("SetOutboundPolicy", UNAVAILABLE, UNAVAILABLE, egress_service_pb2.SetOutboundPolicyResponse())
    client.set_outbound_policy("ALLOW_ANY")
    first, *others = server.sent("SetOutboundPolicy")
    assert others == [first, first]


async def test_a_retry_is_the_same_request_async(server: FakeServer) -> None:
    """The async client retries in the same way."""
    server.answer("SetOutboundPolicy", UNAVAILABLE, egress_service_pb2.SetOutboundPolicyResponse())
    async with AsyncEgressClient(server.target) as client:
        await client.set_outbound_policy("ALLOW_ANY")
    first, second = server.sent("SetOutboundPolicy")
    assert first == second


def test_a_refusal_is_not_retried(client: EgressClient, server: FakeServer) -> None:
    """A request that the server refused is not retried."""
    server.answer("SetOutboundPolicy", ETAG_MISMATCH)
    with pytest.raises(EtagMismatch):
        client.set_outbound_policy("ALLOW_ANY")
    assert len(server.sent("SetOutboundPolicy")) == 1


def pages() -> list[fleet_service_pb2.ListClustersResponse]:
    """A list in three pages."""
    return [
        fleet_service_pb2.ListClustersResponse(clusters=[Cluster(name="a"), Cluster(name="b")], next_page_token="2"),
        fleet_service_pb2.ListClustersResponse(clusters=[], next_page_token="3"),
        fleet_service_pb2.ListClustersResponse(clusters=[Cluster(name="c")]),
    ]


def test_pager(client: EgressClient, server: FakeServer) -> None:
    """A list reads all pages, even after an empty one, with the same filter."""
    server.answer("ListClusters", *pages())
    found = [cluster.name for cluster in client.list_clusters(filter="f", page_size=2)]
    assert found == ["a", "b", "c"]
    assert server.sent("ListClusters") == [
        fleet_service_pb2.ListClustersRequest(parent="meshes/default", filter="f", page_size=2, page_token=token)
        for token in ("", "2", "3")
    ]


def test_pager_is_lazy_and_can_be_read_twice(client: EgressClient, server: FakeServer) -> None:
    """Pages are fetched when they are needed, and each iteration starts at the first page."""
    pager = client.list_clusters()
    assert server.requests == []
    server.answer("ListClusters", *pages())
    assert next(iter(pager)).name == "a"
    assert len(server.requests) == 1
    server.answer("ListClusters", *pages())
    assert [len(page.clusters) for page in pager.pages] == [2, 0, 1]


async def test_async_pager(server: FakeServer) -> None:
    """The lists of the async client read the same, by item and by page."""
    async with AsyncEgressClient(server.target) as client:
        server.answer("ListClusters", *pages())
        assert [cluster.name async for cluster in client.list_clusters()] == ["a", "b", "c"]
        server.answer("ListClusters", *pages())
        assert [len(page.clusters) async for page in client.list_clusters().pages] == [2, 0, 1]


async def test_async_client(server: FakeServer) -> None:
    """A method of the async client returns the reply itself."""
    server.answer("GetCluster", Cluster(name="a"))
    async with AsyncEgressClient(server.target) as client:
        assert (await client.get_cluster("a")).name == "a"


def test_target_from_environment(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """EGRESS_SERVER is used if no target is given."""
    monkeypatch.setenv("EGRESS_SERVER", server.target)
    with EgressClient() as client:
        client.get_cluster("a")
    assert server.sent("GetCluster")


def test_unix_target(tmp_path: Path) -> None:
    """A target may be a unix socket."""
    with fake_server(f"unix:{tmp_path}/s") as server, EgressClient(server.target) as client:
        client.get_cluster("a")


async def test_a_given_channel_stays_open(server: FakeServer) -> None:
    """A channel given by the caller is used and left open."""
    with grpc.insecure_channel(server.target) as channel:
        for _ in range(2):
            with EgressClient(channel=channel) as client:
                client.get_cluster("a")
    async with grpc.aio.insecure_channel(server.target) as channel:
        for _ in range(2):
            async with AsyncEgressClient(channel=channel) as awaited:
                await awaited.get_cluster("a")


async def test_closing_an_unused_client() -> None:
    """A client that never called anything can be closed."""
    await AsyncEgressClient("127.0.0.1:1").close()
