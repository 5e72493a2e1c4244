"""The requests of the methods for mesh, clusters, agents, explain, probe and revert."""

from collections.abc import Iterator

import pytest

from egress import Cluster, EgressClient, Mesh
from egress.v1 import fleet_service_pb2 as pb
from egress.v1.change_service_pb2 import RevertChangeRequest
from egress.v1.explain_pb2 import ExplainRequest, ListRegistryRequest, ListRegistryResponse
from egress.v1.probe_pb2 import ProbeRequest
from tests.unit.sdk.fake_server import FakeServer


@pytest.fixture
def client(server: FakeServer) -> Iterator[EgressClient]:
    """A client of that server."""
    with EgressClient(server.target) as client:
        yield client


def test_register_a_directory(client: EgressClient, server: FakeServer) -> None:
    """A directory has a path; a local cluster has none, and both have service ranges."""
    client.register_cluster("a", target="directory", path="p", service_cidrs=["10.96.0.0/12"], request_id="r")
    client.register_cluster("b", service_cidrs=["10.96.0.0/12"], request_id="r")
    directory, local = server.sent("RegisterCluster")
    assert isinstance(directory, pb.RegisterClusterRequest)
    assert directory.cluster == Cluster(directory=Cluster.DirectoryTarget(path="p", service_cidrs=["10.96.0.0/12"]))
    assert isinstance(local, pb.RegisterClusterRequest)
    assert local.cluster == Cluster(local=Cluster.LocalTarget(service_cidrs=["10.96.0.0/12"]))
    with pytest.raises(ValueError, match="path"):
        client.register_cluster("a", path="p")


def test_register_a_kubernetes_cluster(client: EgressClient, server: FakeServer) -> None:
    """A Kubernetes target has access and Istio settings, which no other target has."""
    client.register_cluster("a", target="kubernetes", request_id="r")
    client.register_cluster(
        "a",
        target="kubernetes",
        labels={"env": "prod"},
        service_cidrs=["10.96.0.0/12"],
        kubeconfig="text",
        context="c",
        secret="a/b",
        in_cluster=True,
        istio_revision="canary",
        root_namespace="istio",
        mesh_policy="mesh-config",
        request_id="r",
    )
    bare, full = server.sent("RegisterCluster")
    assert isinstance(bare, pb.RegisterClusterRequest)
    assert bare.cluster == Cluster(kubernetes=Cluster.KubernetesTarget())
    assert bare.cluster.WhichOneof("target") == "kubernetes"
    assert isinstance(full, pb.RegisterClusterRequest)
    assert full.cluster == Cluster(
        labels={"env": "prod"},
        kubernetes=Cluster.KubernetesTarget(
            kubeconfig="text",
            context="c",
            secret="a/b",
            in_cluster=True,
            istio_revision="canary",
            root_namespace="istio",
            mesh_policy=Cluster.KubernetesTarget.MESH_CONFIG,
            service_cidrs=["10.96.0.0/12"],
        ),
    )
    with pytest.raises(ValueError, match="directory does not support kubeconfig, secret"):
        client.register_cluster("a", target="directory", kubeconfig="x", secret="a/b")
    with pytest.raises(ValueError, match="one of local, directory, kubernetes"):
        client.register_cluster("a", target="magic")  # type: ignore[arg-type]


def test_clusters(client: EgressClient, server: FakeServer) -> None:
    """A cluster is updated, deregistered and resynced by its name."""
    client.update_cluster("a", labels={"env": "prod"}, request_id="r")
    client.deregister_cluster("a", cleanup=True, reason="moved", request_id="r")
    client.resync("a")
    list(client.list_agents(filter="f"))
    name = "meshes/default/clusters/a"
    assert [request for _, request in server.requests] == [
        pb.UpdateClusterRequest(cluster=Cluster(name=name, labels={"env": "prod"}), request_id="r"),
        pb.DeregisterClusterRequest(name=name, cleanup=True, reason="moved", request_id="r"),
        pb.ResyncRequest(name=name),
        pb.ListAgentsRequest(parent="meshes/default/clusters/-", filter="f"),
    ]


def test_mesh(server: FakeServer) -> None:
    """The mesh is the client's."""
    with EgressClient(server.target, mesh="m") as client:
        client.get_mesh()
        client.update_mesh(display_name="M", labels={"a": "b"}, etag="e", request_id="r")
        client.update_mesh(drift_policy="report", request_id="r")
    assert [request for _, request in server.requests] == [
        pb.GetMeshRequest(name="meshes/m"),
        pb.UpdateMeshRequest(mesh=Mesh(name="meshes/m", display_name="M", labels={"a": "b"}), etag="e", request_id="r"),
        pb.UpdateMeshRequest(mesh=Mesh(name="meshes/m", drift_policy=Mesh.REPORT), request_id="r"),
    ]


def test_insight(client: EgressClient, server: FakeServer) -> None:
    """Explain, registry and probe are asked for a cluster and a namespace."""
    server.answer(
        "ListRegistry",
        ListRegistryResponse(items=[ListRegistryResponse.Item(host="a")], next_page_token="2"),
        ListRegistryResponse(items=[ListRegistryResponse.Item(host="b")]),
    )
    client.explain("tcp://db:1", cluster="a", namespace="shop", labels={"app": "web"})
    assert [item.host for item in client.list_registry("a", namespace="shop")] == ["a", "b"]
    client.probe("tcp://db:1", cluster="a", count=20)
    name = "meshes/default/clusters/a"
    assert [request for _, request in server.requests] == [
        ExplainRequest(cluster=name, namespace="shop", labels={"app": "web"}, url="tcp://db:1"),
        ListRegistryRequest(parent=name, namespace="shop"),
        ListRegistryRequest(parent=name, namespace="shop", page_token="2"),
        ProbeRequest(cluster=name, url="tcp://db:1", count=20),
    ]


def test_rollback(client: EgressClient, server: FakeServer) -> None:
    """A change is reverted by revision or name."""
    client.revert_change(17, request_id="r")
    client.revert_change("meshes/m/changes/3", validate_only=True, request_id="r")
    assert server.sent("RevertChange") == [
        RevertChangeRequest(name="meshes/default/changes/17", request_id="r"),
        RevertChangeRequest(name="meshes/m/changes/3", validate_only=True, request_id="r"),
    ]
