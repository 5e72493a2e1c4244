"""egressctl cluster."""

from egress import Agent, Cluster
from egress.v1.fleet_service_pb2 import (
    DeregisterClusterRequest,
    DeregisterClusterResponse,
    GetClusterRequest,
    ListAgentsRequest,
    ListAgentsResponse,
    ListClustersResponse,
    RegisterClusterRequest,
    RegisterClusterResponse,
    ResyncResponse,
    UpdateClusterRequest,
    UpdateClusterResponse,
)
from tests.unit.sdk.cli.conftest import Run
from tests.unit.sdk.cli.replies import CHANGE, CLUSTER
from tests.unit.sdk.double import FakeServer


def test_register(ctl: Run, server: FakeServer) -> None:
    """A cluster is registered with its target and labels."""
    server.answer("RegisterCluster", RegisterClusterResponse(cluster=CLUSTER, change=CHANGE))
    done = ctl("cluster", "register", "local", "--target", "local", "--label", "env=test", "--request-id", "r")
    assert done.code == 0
    assert server.sent("RegisterCluster") == [
        RegisterClusterRequest(
            parent="meshes/default",
            cluster_id="local",
            cluster=Cluster(labels={"env": "test"}, local=Cluster.LocalTarget()),
            request_id="r",
        )
    ]


def test_register_a_directory(ctl: Run, server: FakeServer) -> None:
    """A directory has a path and the cluster's service ranges; a local cluster has no path."""
    words = (
        "cluster",
        "register",
        "a",
        "--path",
        "p",
        "--service-cidr",
        "10.0.0.0/8,fd00::/8",
        "--service-cidr",
        "::/0",
    )
    ctl(*words, "--target", "directory")
    (request,) = server.sent("RegisterCluster")
    assert isinstance(request, RegisterClusterRequest)
    assert request.cluster.directory == Cluster.DirectoryTarget(
        path="p", service_cidrs=["10.0.0.0/8", "fd00::/8", "::/0"]
    )
    assert ctl(*words, "--target", "local").code == 2


def test_update_and_deregister(ctl: Run, server: FakeServer) -> None:
    """Both name the cluster and say what became of it."""
    server.answer("UpdateCluster", UpdateClusterResponse(cluster=CLUSTER, change=CHANGE))
    server.answer("DeregisterCluster", DeregisterClusterResponse(cluster=CLUSTER, change=CHANGE))
    assert "updated (change 17)" in ctl("cluster", "update", "local", "--label", "env=prod", "--request-id", "r").out
    assert "deregistered" in ctl("cluster", "deregister", "local", "--cleanup", "--request-id", "r").out
    assert [request for _, request in server.requests] == [
        UpdateClusterRequest(cluster=Cluster(name=CLUSTER.name, labels={"env": "prod"}), request_id="r"),
        DeregisterClusterRequest(name=CLUSTER.name, cleanup=True, request_id="r"),
    ]


def test_resync(ctl: Run, server: FakeServer) -> None:
    """A resync says what the cluster held."""
    server.answer("Resync", ResyncResponse(applied_revision=17))
    assert ctl("cluster", "resync", "local").out == "local is looked at afresh; it held revision 17.\n"
    assert ctl("cluster", "resync", "local", "-o", "json").json == {"appliedRevision": "17"}


def test_agents(ctl: Run, server: FakeServer) -> None:
    """Agents are those of one cluster, or of all."""
    agent = Agent(agent="pod-1", cluster=CLUSTER.name, namespace="shop", labels={"app": "web"}, version="1")
    server.answer("ListAgents", ListAgentsResponse(agents=[agent]))
    assert ctl("cluster", "agents").out.splitlines()[1].split() == ["pod-1", "local", "shop", "1", "app=web"]
    ctl("cluster", "agents", "local")
    assert server.sent("ListAgents") == [
        ListAgentsRequest(parent="meshes/default/clusters/-", page_size=1000),
        ListAgentsRequest(parent=CLUSTER.name, page_size=1000),
    ]


def test_unknown_target(ctl: Run) -> None:
    """A target that does not exist is a usage error, and so is none."""
    assert ctl("cluster", "register", "x", "--target", "magic").code == 2
    assert ctl("cluster", "register", "x").code == 2


def test_get_and_list(ctl: Run, server: FakeServer) -> None:
    """A cluster shows how far it is, and who serves it."""
    server.answer("GetCluster", CLUSTER)
    server.answer("ListClusters", ListClustersResponse(clusters=[CLUSTER, Cluster(name="meshes/default/clusters/n")]))
    got, listed = ctl("cluster", "get", "local"), ctl("cluster", "list")
    assert got.out.splitlines()[1].split() == ["local", "local", "ONLINE", "17", "16", "1", "env=test"]
    assert listed.out.splitlines()[2].split() == ["n", "NEW", "0", "0", "0"]
    assert server.sent("GetCluster") == [GetClusterRequest(name="meshes/default/clusters/local")]
    assert ctl("cluster", "list", "-o", "json").json["clusters"][0]["status"]["state"] == "ONLINE"
