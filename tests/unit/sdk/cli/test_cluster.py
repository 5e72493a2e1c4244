"""egressctl cluster."""

from egress import Cluster
from egress.v1.fleet_service_pb2 import (
    GetClusterRequest,
    ListClustersResponse,
    RegisterClusterRequest,
    RegisterClusterResponse,
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
