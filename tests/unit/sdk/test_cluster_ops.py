"""The requests of the methods for drift, policy gaps, stale workloads, adoption, approval and restarts."""

from collections.abc import Iterator

import pytest

from egress import DriftedObject, EgressClient, Observation, PolicyGap, StaleWorkload
from egress.v1 import fleet_service_pb2 as pb
from tests.unit.sdk.fake_server import FakeServer

NAME = "meshes/default/clusters/c0"


@pytest.fixture
def client(server: FakeServer) -> Iterator[EgressClient]:
    """A client of that server."""
    with EgressClient(server.target) as client:
        yield client


def test_lists(client: EgressClient, server: FakeServer) -> None:
    """Each list is of one cluster or of all, page by page."""
    server.answer(
        "ListDrift",
        pb.ListDriftResponse(drifted_objects=[DriftedObject(name="a")], next_page_token="2"),
        pb.ListDriftResponse(drifted_objects=[DriftedObject(name="b")]),
    )
    seen = [Observation(cluster=NAME, omitted_count=1)]
    server.answer("ListPolicyGaps", pb.ListPolicyGapsResponse(policy_gaps=[PolicyGap(name="e")], observations=seen))
    server.answer("ListStaleWorkloads", pb.ListStaleWorkloadsResponse(stale_workloads=[StaleWorkload(name="w")]))
    assert [found.name for found in client.list_drift(filter="healed = false", page_size=1)] == ["a", "b"]
    assert [found.name for found in client.list_stale_workloads("c0", order_by="cluster desc")] == ["w"]
    (page,) = client.list_policy_gaps("c0").pages
    assert list(page.observations) == seen
    every = "meshes/default/clusters/-"
    assert [request for _, request in server.requests] == [
        pb.ListDriftRequest(parent=every, filter="healed = false", page_size=1),
        pb.ListDriftRequest(parent=every, filter="healed = false", page_size=1, page_token="2"),
        pb.ListStaleWorkloadsRequest(parent=NAME, order_by="cluster desc"),
        pb.ListPolicyGapsRequest(parent=NAME),
    ]


def test_decisions(client: EgressClient, server: FakeServer) -> None:
    """Each takes the cluster's ID or name, and the options of all mutations."""
    server.answer("RestartWorkloads", pb.RestartWorkloadsResponse(restart_id="1"))
    client.adopt_object("c0", "Sidecar/a/b", reason="agreed", request_id="r")
    client.release_object(NAME, "Sidecar/a/b", validate_only=True, request_id="r")
    client.approve_deletion("c0", request_id="r")
    client.accept_store_reset("c0", token="t", etag="e", request_id="r")
    assert client.restart_workloads("c0", request_id="r").reply.restart_id == "1"
    client.restart_workloads("c0", ["Deployment/a/b"], request_id="r")
    assert [request for _, request in server.requests] == [
        pb.AdoptObjectRequest(name=NAME, object="Sidecar/a/b", reason="agreed", request_id="r"),
        pb.ReleaseObjectRequest(name=NAME, object="Sidecar/a/b", validate_only=True, request_id="r"),
        pb.ApproveDeletionRequest(name=NAME, request_id="r"),
        pb.AcceptStoreResetRequest(name=NAME, token="t", etag="e", request_id="r"),
        pb.RestartWorkloadsRequest(name=NAME, request_id="r"),
        pb.RestartWorkloadsRequest(name=NAME, workloads=["Deployment/a/b"], request_id="r"),
    ]
