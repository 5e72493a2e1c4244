"""egressctl cluster."""

import json
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from egress import Agent, Change, Cluster
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
from tests.support.kubeconfigs import CANARY, kubeconfig
from tests.unit.sdk.cli.conftest import Run
from tests.unit.sdk.cli.replies import CHANGE, CLUSTER
from tests.unit.sdk.fake_server import FakeServer


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


@pytest.fixture
def config(tmp_path: Path) -> str:
    """A kubeconfig in a file."""
    path = tmp_path / "config"
    path.write_text(kubeconfig())
    return str(path)


REGISTERED = RegisterClusterResponse(
    change=Change(revision=18, resource="meshes/default/clusters/c0", accept_time=Timestamp(seconds=100))
)
REGISTER = ("cluster", "register", "c0", "--target", "kubernetes")


def reported(seconds: int = 101, **status: Any) -> Cluster:
    """The cluster c0 as an applier reported it, a second after it was registered."""
    known = Cluster.Status(last_seen_time=Timestamp(seconds=seconds), **status)
    return Cluster(name="meshes/default/clusters/c0", status=known)


def test_register_a_kubernetes_cluster(ctl: Run, server: FakeServer, config: str) -> None:
    """The content of the kubeconfig is sent; --context selects a context of it, not one of egressctl's own."""
    server.answer("RegisterCluster", REGISTERED)
    server.answer("GetCluster", reported(state="ONLINE", applied_revision=18, kubernetes_version="v1.36.3"))
    words = ("--kubeconfig", config, "--context", "c0", "--istio-revision", "canary", "--mesh-policy", "sidecar")
    done = ctl(*REGISTER, *words, "--root-namespace", "istio", "--service-cidr", "10.96.0.0/12")
    assert (done.code, done.err) == (0, "c0 is ONLINE: Kubernetes v1.36.3.\n")
    (request,) = server.sent("RegisterCluster")
    assert isinstance(request, RegisterClusterRequest)
    target = request.cluster.kubernetes
    assert json.loads(target.kubeconfig)["users"] == [{"name": "c0", "user": {"token": CANARY}}]
    target.ClearField("kubeconfig")
    assert target == Cluster.KubernetesTarget(
        context="c0",
        istio_revision="canary",
        root_namespace="istio",
        mesh_policy=Cluster.KubernetesTarget.SIDECAR,
        service_cidrs=["10.96.0.0/12"],
    )


def test_register_without_a_kubeconfig(ctl: Run, server: FakeServer) -> None:
    """Secret and in-cluster access are sent; --no-wait does not wait."""
    server.answer("RegisterCluster", REGISTERED)
    assert ctl(*REGISTER, "--in-cluster", "--no-wait").code == 0
    assert ctl(*REGISTER, "--secret", "a/b", "--dry-run").code == 0
    in_cluster, secret = server.sent("RegisterCluster")
    assert isinstance(in_cluster, RegisterClusterRequest)
    assert in_cluster.cluster.kubernetes == Cluster.KubernetesTarget(in_cluster=True)
    assert isinstance(secret, RegisterClusterRequest)
    assert secret.cluster.kubernetes == Cluster.KubernetesTarget(secret="a/b")
    assert server.sent("GetCluster") == []


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        (
            {"state": "ONLINE", "reason": "PERMISSIONS_MISSING", "message": "may not list pods"},
            1,
            "c0 cannot be managed: may not list pods",
        ),
        ({"state": "HELD", "reason": "STORE_REWOUND", "message": "restored"}, 1, "c0 is HELD: restored"),
        ({"state": "OFFLINE", "reason": "UNREACHABLE", "message": "refused"}, 3, "c0 is OFFLINE: refused"),
    ],
)
def test_a_cluster_that_does_not_work(
    ctl: Run, server: FakeServer, status: dict[str, Any], code: int, said: str
) -> None:
    """A problem is reported immediately, with its reason; a status from before the registration does not count."""
    server.answer("RegisterCluster", REGISTERED)
    before = reported(99, state="ONLINE", reason="CREDENTIALS_REFUSED", message="old")
    server.answer("GetCluster", Cluster(name=before.name), before, before, reported(**status))
    done = ctl(*REGISTER, "--in-cluster")
    assert done.code == code
    assert said in done.err
    assert "old" not in done.err
    assert "waiting for an applier" in done.err


def test_a_passing_trouble_does_not_count(ctl: Run, server: FakeServer) -> None:
    """Temporary problems at the start are waited out."""
    server.answer("RegisterCluster", REGISTERED)
    trouble = reported(state="ONLINE", reason="REPLICA_BEHIND", message="not yet")
    server.answer("GetCluster", trouble, reported(state="ONLINE", applied_revision=18))
    done = ctl(*REGISTER, "--in-cluster")
    assert (done.code, done.err.splitlines()[-1]) == (0, "c0 is ONLINE.")


def test_the_details_of_a_cluster(ctl: Run, server: FakeServer) -> None:
    """The problem, the versions on the cluster, and the commands that show more."""
    found = reported(
        state="HELD",
        reason="MASS_DELETION",
        message="7 of 9 objects would go",
        kubernetes_version="v1.36.3",
        istio_version="1.31.0",
        ambient=True,
        service_cidrs=["10.96.0.0/12"],
        drifted_objects=1,
        policy_gaps=2,
        stale_workloads=3,
    )
    found.adopted.append("Sidecar/a/b")
    server.answer("GetCluster", found)
    assert ctl("cluster", "get", "c0").out.splitlines()[2:] == [
        "MASS_DELETION: 7 of 9 objects would go",
        "Kubernetes v1.36.3, Istio 1.31.0, ambient mode, service ranges 10.96.0.0/12",
        "no MutatingAdmissionPolicy: namespace interception requires egressctl cluster restart c0",
        "adopted: Sidecar/a/b",
        "1 changed by other clients: egressctl cluster drift c0",
        "2 not covered by REGISTRY_ONLY: egressctl cluster gaps c0",
        "3 workloads with older interception rules: egressctl cluster stale c0",
    ]


def test_update_and_deregister(ctl: Run, server: FakeServer) -> None:
    """Both print the cluster and the result."""
    server.answer("UpdateCluster", UpdateClusterResponse(cluster=CLUSTER, change=CHANGE))
    server.answer("DeregisterCluster", DeregisterClusterResponse(cluster=CLUSTER, change=CHANGE))
    assert "updated (change 17)" in ctl("cluster", "update", "local", "--label", "env=prod", "--request-id", "r").out
    assert "updated (change 17)" in ctl("cluster", "update", "local", "--request-id", "r").out
    assert "deregistered" in ctl("cluster", "deregister", "local", "--cleanup", "--request-id", "r").out
    assert [request for _, request in server.requests] == [
        UpdateClusterRequest(cluster=Cluster(name=CLUSTER.name, labels={"env": "prod"}), request_id="r"),
        UpdateClusterRequest(cluster=Cluster(name=CLUSTER.name), request_id="r"),
        DeregisterClusterRequest(name=CLUSTER.name, cleanup=True, request_id="r"),
    ]


def test_resync(ctl: Run, server: FakeServer) -> None:
    """A resync prints the revision that the cluster has applied."""
    server.answer("Resync", ResyncResponse(applied_revision=17))
    assert ctl("cluster", "resync", "local").out == "Resync of local requested; it has applied revision 17.\n"
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
    """An unknown target is a usage error, and so is a missing one."""
    assert ctl("cluster", "register", "x", "--target", "magic").code == 2
    assert ctl("cluster", "register", "x").code == 2


def test_get_and_list(ctl: Run, server: FakeServer) -> None:
    """A cluster shows its revisions and its agents."""
    server.answer("GetCluster", CLUSTER)
    server.answer("ListClusters", ListClustersResponse(clusters=[CLUSTER, Cluster(name="meshes/default/clusters/n")]))
    got, listed = ctl("cluster", "get", "local"), ctl("cluster", "list")
    assert got.out.splitlines()[1].split() == ["local", "local", "ONLINE", "17", "16", "1", "env=test"]
    assert listed.out.splitlines()[2].split() == ["n", "NEW", "0", "0", "0"]
    assert server.sent("GetCluster") == [GetClusterRequest(name="meshes/default/clusters/local")]
    assert ctl("cluster", "list", "-o", "json").json["clusters"][0]["status"]["state"] == "ONLINE"
