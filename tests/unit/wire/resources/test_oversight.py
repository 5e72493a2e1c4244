"""What was observed on clusters, and decisions about them, through the transport."""

from datetime import UTC, datetime
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from egress.v1 import fleet_service_pb2 as pb
from egress_server.commands.clusters.approvals import Approve
from egress_server.commands.clusters.clusters import RestartWorkloads
from egress_server.commands.clusters.observations import ClusterObservation, ListObservations, ObservationPage
from egress_server.commands.mutate import Mutation, MutationOutcome
from egress_server.domain.model.changes import ChangeType, Versioned
from egress_server.domain.model.clusters import Cluster, KubernetesTarget, Orders, RestartOrder
from egress_server.domain.model.status import Drift, DriftKind
from egress_server.domain.observed.inventory import PolicyGap, PolicyGapKind, StaleWorkload
from egress_server.wire import METHODS
from tests.unit.wire.decoding import decode, path_of, refused, request

EAST = "meshes/default/clusters/east"
NOW = datetime(2026, 11, 23, tzinfo=UTC)
DECISIONS = ["AdoptObject", "ReleaseObject", "ApproveDeletion", "AcceptStoreReset", "RestartWorkloads"]


def written(name: str, result: object) -> dict[str, object]:
    """The JSON of a method's response."""
    return MessageToDict(METHODS[path_of(name)].encode(result))


@pytest.mark.parametrize("name", ["ListDrift", "ListPolicyGaps", "ListStaleWorkloads"])
def test_lists_are_of_one_cluster_or_of_all(name: str) -> None:
    """For every list."""
    one, all_ = (decode(request(name, parent=f"meshes/default/clusters/{id_}")) for id_ in ("east", "-"))
    assert isinstance(one, ListObservations)
    assert (one.mesh, one.cluster, all_.mesh, all_.cluster) == ("default", "east", "default", "")
    assert [f for f, _ in refused(request(name, parent="meshes/default"))] == ["parent"]
    assert [f for f, _ in refused(request(name, filter="nonsense = 1"))] == ["filter"]
    assert decode(request(name, filter='namespace = "prod"', order_by="cluster desc")).listing.descending


def test_decisions_carry_what_is_decided() -> None:
    """By the cluster's name; the decision is part of the request's fingerprint."""
    adopt, release = decode(request("AdoptObject")), decode(request("ReleaseObject"))
    assert isinstance(adopt, Mutation)
    assert (adopt.name, adopt.type, release.type) == (EAST, ChangeType.ADOPT, ChangeType.RELEASE)
    before = Cluster(EAST, KubernetesTarget())
    after = adopt.amend(before) if adopt.amend else None
    assert isinstance(after, Cluster)
    assert after.orders.adopted == ("Sidecar/prod/default",)
    assert release.amend(after) == before
    approve = decode(request("ApproveDeletion", token="t"))
    assert isinstance(approve, Approve)
    assert (approve.name, approve.mesh, approve.token) == (EAST, "default", "t")
    restart = decode(request("RestartWorkloads"))
    assert isinstance(restart, RestartWorkloads)
    assert restart.workloads == ("Deployment/prod/web",)
    others: list[tuple[Mutation[Any] | Approve | RestartWorkloads, Message]] = [
        (adopt, request("AdoptObject", object="Sidecar/prod/other")),
        (approve, request("ApproveDeletion", token="u")),
        (restart, request("RestartWorkloads", workloads=[])),
    ]
    for one, other in others:
        assert decode(other).options.fingerprint != one.options.fingerprint
    assert release.options.fingerprint != adopt.options.fingerprint


@pytest.mark.parametrize("name", DECISIONS)
def test_what_is_decided_about_must_exist(name: str) -> None:
    """Requiring that it does not exist makes no sense; and it is a cluster."""
    assert [f for f, _ in refused(request(name, create_only=True))] == ["create_only"]
    assert [f for f, _ in refused(request(name, name="meshes/default"))] == ["name"]


@pytest.mark.parametrize(
    ("name", "fields", "place"),
    [
        ("AdoptObject", {"object": "Sidecar/prod"}, "object"),
        ("ReleaseObject", {"object": None}, "object"),
        ("RestartWorkloads", {"workloads": ["Deployment/a/b", "Pod/a/b"]}, "workloads[1]"),
    ],
)
def test_what_is_named_wrongly_is_refused(name: str, fields: dict[str, object], place: str) -> None:
    """With its path."""
    assert [f for f, _ in refused(request(name, **fields))] == [place]


def test_what_was_seen_is_written() -> None:
    """Each with the name of its cluster."""
    drift = Drift(DriftKind.MISSING, "Sidecar", "prod", "default", "r", "kubectl", NOW, NOW)
    assert written("ListDrift", ObservationPage("default", (("east", drift),), "token")) == {
        "driftedObjects": [
            {
                "cluster": EAST,
                "type": "MISSING",
                "kind": "Sidecar",
                "namespace": "prod",
                "name": "default",
                "resource": "r",
                "manager": "kubectl",
                "detectTime": "2026-11-23T00:00:00Z",
                "healTime": "2026-11-23T00:00:00Z",
            }
        ],
        "nextPageToken": "token",
    }
    observed = (ClusterObservation("east", NOW, 2), ClusterObservation("west", None, 0))
    observations = [
        {"cluster": EAST, "observeTime": "2026-11-23T00:00:00Z", "omittedCount": 2},
        {"cluster": "meshes/default/clusters/west"},
    ]
    gap = PolicyGap(PolicyGapKind.AMBIENT, "Namespace", "", "prod", "no sidecars")
    assert written("ListPolicyGaps", ObservationPage("default", (("east", gap),), "", observed)) == {
        "policyGaps": [
            {"cluster": EAST, "type": "AMBIENT", "kind": "Namespace", "name": "prod", "reason": "no sidecars"}
        ],
        "observations": observations,
    }
    workload = StaleWorkload("Deployment", "prod", "web", 1, 2, "older")
    assert written("ListStaleWorkloads", ObservationPage("default", (("east", workload),), "", observed)) == {
        "staleWorkloads": [
            {
                "cluster": EAST,
                "kind": "Deployment",
                "namespace": "prod",
                "name": "web",
                "stalePods": 1,
                "pods": 2,
                "reason": "older",
            }
        ],
        "observations": observations,
    }


def test_every_kind_has_a_name_in_the_contract() -> None:
    """Of drift and of policy gaps."""
    for kind in DriftKind:
        drift = Drift(kind, "Sidecar", "a", "b", "r", "", NOW)
        assert MessageToDict(METHODS[path_of("ListDrift")].encode(ObservationPage("default", (("e", drift),), "")))
    for why in PolicyGapKind:
        gap = PolicyGap(why, "Pod", "a", "b", "")
        assert MessageToDict(METHODS[path_of("ListPolicyGaps")].encode(ObservationPage("default", (("e", gap),), "")))


@pytest.mark.parametrize("name", DECISIONS)
def test_the_answer_has_the_cluster(name: str) -> None:
    """And the ID of the restart."""
    cluster = Cluster(EAST, KubernetesTarget(), orders=Orders(adopted=("x",), restart=RestartOrder("r1")))
    outcome = MutationOutcome(Versioned(cluster, 1, NOW, NOW), "epoch", None, ())
    answer = METHODS[path_of(name)].encode(outcome)
    assert answer.cluster.adopted == ["x"]  # type: ignore[attr-defined]
    if isinstance(answer, pb.RestartWorkloadsResponse):
        assert answer.restart_id == "r1"
