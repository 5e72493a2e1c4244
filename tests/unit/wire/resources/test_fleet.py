"""Meshes and clusters through the transport."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict, ParseDict

from egress.v1 import cluster_pb2, mesh_pb2
from egress.v1 import fleet_service_pb2 as pb
from egress_server.commands.clusters.registration import Deregister
from egress_server.commands.mutate import Mutation
from egress_server.commands.read import Get
from egress_server.contract.clusters import read_cluster, write_cluster
from egress_server.contract.policies import write_mesh
from egress_server.domain.model.changes import ChangeType, Versioned
from egress_server.domain.model.clusters import (
    Cluster,
    DirectoryTarget,
    DriftPolicy,
    KubernetesTarget,
    LocalTarget,
    Mesh,
    MeshPolicyBackend,
    Orders,
)
from egress_server.domain.model.names import Name, ResourceKind
from egress_server.domain.model.status import (
    ClusterStatus,
    Drift,
    DriftKind,
    Phase,
    Problem,
    RestartProgress,
    RestartState,
)
from egress_server.domain.observed.inventory import Capabilities, Inventory, PolicyGap, PolicyGapKind
from egress_server.domain.validate import Problems
from egress_server.formats.kubeconfig import extract_context
from egress_server.wire import METHODS
from tests.support.kubeconfigs import CANARY, kubeconfig
from tests.support.violations import violations_of

MESH = "meshes/default"
EAST = f"{MESH}/clusters/east"
NOW = datetime(2026, 11, 23, tzinfo=UTC)
WAY = KubernetesTarget(
    context="c0",
    secret="egress/c0",
    istio_revision="canary",
    root_namespace="istio",
    mesh_policy=MeshPolicyBackend.SIDECAR,
    service_cidrs=("fd00::/108",),
)


def decode(name: str, request: object) -> Any:
    """The command of a request to FleetService."""
    return METHODS[f"/egress.v1.FleetService/{name}"].decode(request)


def update(**cluster: Any) -> pb.UpdateClusterRequest:
    """UpdateCluster, with the cluster's fields in JSON names."""
    return ParseDict({"cluster": {"name": EAST, **cluster}}, pb.UpdateClusterRequest())


def amended(request: pb.UpdateClusterRequest, before: Cluster) -> Any:
    """The cluster after an update."""
    mutation = decode("UpdateCluster", request)
    assert isinstance(mutation, Mutation)
    assert mutation.amend is not None
    assert not mutation.deletes
    return mutation.amend(before)


@pytest.mark.parametrize(
    "cluster",
    [
        Cluster(EAST, LocalTarget()),
        Cluster(EAST, LocalTarget(("10.96.0.0/12",)), {"env": "prod"}),
        Cluster(EAST, DirectoryTarget()),
        Cluster(EAST, DirectoryTarget("prod/east", ("fd00::/108",))),
        Cluster(EAST, KubernetesTarget(in_cluster=True)),
        Cluster(EAST, WAY),
    ],
)
def test_every_target_comes_and_goes(cluster: Cluster) -> None:
    """What is registered is returned."""
    shown = write_cluster(Versioned(cluster, 1, NOW, NOW), "epoch")
    assert shown.WhichOneof("target") == cluster.target.kind
    assert read_cluster(shown, EAST, Problems()) == cluster


@pytest.mark.parametrize(
    ("cluster", "paths"),
    [
        ({}, ["cluster.target"]),
        ({"directory": {"path": "../x"}}, ["cluster.directory.path"]),
        ({"local": {"serviceCidrs": ["10.96.0.1/12"]}}, ["cluster.local.service_cidrs[0]"]),
        ({"kubernetes": {"kubeconfig": "x"}}, ["cluster.kubernetes.kubeconfig"]),
        ({"kubernetes": {"kubeconfig": kubeconfig(), "context": "other"}}, ["cluster.kubernetes.kubeconfig"]),
        ({"kubernetes": {"kubeconfig": kubeconfig(), "inCluster": True}}, ["cluster.kubernetes"]),
        ({"kubernetes": {"secret": "a/b", "inCluster": True}}, ["cluster.kubernetes"]),
        ({"kubernetes": {"secret": "a"}}, ["cluster.kubernetes.secret"]),
        ({"kubernetes": {"secret": "A/b"}}, ["cluster.kubernetes.secret"]),
        ({"kubernetes": {"context": "a\nb"}}, ["cluster.kubernetes.context"]),
        ({"kubernetes": {"context": "x" * 254}}, ["cluster.kubernetes.context"]),
        ({"kubernetes": {"istioRevision": "1.31"}}, ["cluster.kubernetes.istio_revision"]),
        ({"kubernetes": {"rootNamespace": "A"}}, ["cluster.kubernetes.root_namespace"]),
        ({"kubernetes": {"meshPolicy": 9}}, ["cluster.kubernetes.mesh_policy"]),
        ({"kubernetes": {"serviceCidrs": ["10.96.0.1/12"]}}, ["cluster.kubernetes.service_cidrs[0]"]),
    ],
)
def test_registration_refused(cluster: dict[str, Any], paths: list[str]) -> None:
    """With the paths that the caller used."""
    request = ParseDict({"parent": MESH, "clusterId": "east", "cluster": cluster}, pb.RegisterClusterRequest())
    assert [field for field, _ in violations_of(lambda: decode("RegisterCluster", request))] == paths


def test_a_kubeconfig_arrives_cut_to_what_is_needed() -> None:
    """With the chosen or the current context; and it is never returned."""
    prints = set()
    for context in ("", "c0"):
        target = {"kubeconfig": kubeconfig(), "context": context}
        request = ParseDict({"cluster": {"name": EAST, "kubernetes": target}}, pb.RegisterClusterRequest())
        command = decode("RegisterCluster", request)
        kept = command.cluster.target
        assert (kept.context, kept.kubeconfig) == ("c0", extract_context(kubeconfig()).text)
        assert CANARY not in repr(command)
        shown = write_cluster(Versioned(command.cluster, 1, NOW, NOW), "epoch")
        assert CANARY not in str(shown)
        assert shown.kubernetes.context == "c0"
        prints.add(command.options.fingerprint)
    assert len(prints) == 1


def test_what_was_seen_is_in_the_status() -> None:
    """Of the cluster itself, of drift on it, and of a restart."""
    drift = Drift(DriftKind.CHANGED, "Sidecar", "a", "b", "r", "kubectl", NOW)
    status = ClusterStatus(
        "east",
        Phase.HELD,
        problem=Problem("MASS_DELETION", "too much", token="t"),
        drift=(drift, replace(drift, heal_time=NOW)),
        restart=RestartProgress("1", RestartState.STOPPED, ("Deployment/a/b",), "Deployment/a/c", "not back"),
        stale_workloads=3,
    )
    inventory = Inventory(
        "east",
        NOW,
        Capabilities("v1.36.3", "1.31.0", ambient=True),
        ("10.96.0.0/12",),
        policy_gaps=(PolicyGap(PolicyGapKind.AMBIENT, "Namespace", "", "a", "ambient"),),
        left_out={"policy_gaps": 4},
    )
    shown = write_cluster(
        Versioned(Cluster(EAST, LocalTarget(), orders=Orders(adopted=("x",))), 1, NOW, NOW),
        "epoch",
        status,
        inventory,
        2,
    )
    assert list(shown.adopted) == ["x"]
    assert MessageToDict(shown.status) == {
        "state": "HELD",
        "reason": "MASS_DELETION",
        "message": "too much",
        "agents": 2,
        "approvalToken": "t",
        "driftedObjects": 1,
        "staleWorkloads": 3,
        "restart": {
            "id": "1",
            "state": "STOPPED",
            "done": ["Deployment/a/b"],
            "failed": "Deployment/a/c",
            "message": "not back",
        },
        "kubernetesVersion": "v1.36.3",
        "istioVersion": "1.31.0",
        "ambient": True,
        "serviceCidrs": ["10.96.0.0/12"],
        "policyGaps": 5,
        "observeTime": "2026-11-23T00:00:00Z",
    }


def test_an_update_replaces_labels() -> None:
    """Whatever the target, which may be omitted."""
    target = DirectoryTarget("x", ("10.0.0.0/8",))
    before = Cluster(EAST, target, {"env": "test", "tier": "1"}, draining=True)
    after = amended(update(labels={"env": "prod"}), before)
    assert after == Cluster(EAST, target, {"env": "prod"}, draining=True)


def test_an_update_may_repeat_the_target() -> None:
    """So a cluster that was read can be sent back with other labels."""
    before = Cluster(EAST, DirectoryTarget("x"))
    assert amended(update(labels={"a": "b"}, directory={"path": "x"}), before) == Cluster(
        EAST, DirectoryTarget("x"), {"a": "b"}
    )


def test_an_update_may_repeat_a_kubernetes_target() -> None:
    """As it is returned: without its credentials, which stay."""
    before = Cluster(EAST, replace(WAY, kubeconfig="sealed"))
    shown = write_cluster(Versioned(before, 1, NOW, NOW), "epoch")
    shown.labels["a"] = "b"
    assert amended(pb.UpdateClusterRequest(cluster=shown), before) == replace(before, labels={"a": "b"})
    with_credentials = replace(before, target=KubernetesTarget("sealed", "c0", service_cidrs=("fd00::/108",)))
    request = update(kubernetes={"kubeconfig": kubeconfig(), "serviceCidrs": ["fd00::/108"]})
    assert [f for f, _ in violations_of(lambda: amended(request, with_credentials))] == ["cluster.target"]
    shown.kubernetes.kubeconfig = "x"
    assert [f for f, _ in violations_of(lambda: decode("UpdateCluster", pb.UpdateClusterRequest(cluster=shown)))] == [
        "cluster.kubernetes.kubeconfig"
    ]


@pytest.mark.parametrize("target", [{"local": {}}, {"directory": {}}, {"directory": {"path": "y"}}])
def test_an_update_moves_nothing(target: dict[str, Any]) -> None:
    """Another target is refused, not ignored."""
    before = Cluster(EAST, DirectoryTarget("x"))
    assert [f for f, _ in violations_of(lambda: amended(update(**target), before))] == ["cluster.target"]


@pytest.mark.parametrize(
    ("request_", "paths"),
    [
        (pb.UpdateClusterRequest(), ["cluster.name"]),
        (update(labels={"a b": ""}), ['cluster.labels["a b"]']),
        (pb.UpdateClusterRequest(cluster=cluster_pb2.Cluster(name=EAST), create_only=True), ["create_only"]),
    ],
)
def test_update_refused(request_: pb.UpdateClusterRequest, paths: list[str]) -> None:
    """With the paths that the caller used."""
    assert [field for field, _ in violations_of(lambda: decode("UpdateCluster", request_))] == paths


def test_a_mesh_comes_and_goes() -> None:
    """By its name, with its new fields."""
    assert decode("GetMesh", pb.GetMeshRequest(name=MESH)) == Get(Name("default", ResourceKind.MESH, "default"))
    mesh = Mesh(MESH, "Everything", {"team": "net"})
    shown = write_mesh(Versioned(mesh, 1, NOW, NOW), "epoch")
    mutation = decode("UpdateMesh", pb.UpdateMeshRequest(mesh=shown))
    assert (mutation.name, mutation.type) == (MESH, ChangeType.SET)
    assert mutation.amend(Mesh(MESH)) == mesh


def test_what_happens_to_drift_stays_where_it_is_not_said() -> None:
    """So that a client that does not know it changes nothing."""
    report = Mesh(MESH, drift_policy=DriftPolicy.REPORT)
    for asked, after in (("DRIFT_POLICY_UNSPECIFIED", "REPORT"), ("REPORT", "REPORT"), ("HEAL", "HEAL")):
        request = ParseDict({"mesh": {"name": MESH, "driftPolicy": asked}}, pb.UpdateMeshRequest())
        assert decode("UpdateMesh", request).amend(report).drift_policy.value == after


@pytest.mark.parametrize(
    ("mesh", "path"),
    [
        (mesh_pb2.Mesh(), "mesh.name"),
        (mesh_pb2.Mesh(name=f"{MESH}/clusters/east"), "mesh.name"),
        (mesh_pb2.Mesh(name=MESH, display_name="x" * 64), "mesh.display_name"),
        (ParseDict({"name": MESH, "driftPolicy": 9}, mesh_pb2.Mesh()), "mesh.drift_policy"),
    ],
)
def test_mesh_refused(mesh: mesh_pb2.Mesh, path: str) -> None:
    """With the paths that the caller used."""
    found = violations_of(lambda: decode("UpdateMesh", pb.UpdateMeshRequest(mesh=mesh)))
    assert [field for field, _ in found] == [path]


@pytest.mark.parametrize("cleanup", [False, True])
def test_a_cluster_is_forgotten(cleanup: bool) -> None:
    """As a deletion of its own type."""
    command = decode("DeregisterCluster", pb.DeregisterClusterRequest(name=EAST, cleanup=cleanup))
    assert isinstance(command, Deregister)
    assert (command.cleanup, command.mesh) == (cleanup, "default")
    assert (command.mutation.name, command.mutation.type, command.mutation.deletes) == (
        EAST,
        ChangeType.DEREGISTER,
        True,
    )


def test_two_bodies_are_two_requests() -> None:
    """The fingerprint of an update covers everything it asks for."""
    prints = {decode("UpdateCluster", update(labels={"a": str(n)})).options.fingerprint for n in range(2)}
    assert len(prints) == 2
