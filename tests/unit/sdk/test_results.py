"""Waiting for changes, and holding faults."""

import pytest

import egress
from egress import AsyncEgressClient, Change, EgressClient, Fault
from egress.v1.change_service_pb2 import WaitChangeRequest, WaitChangeResponse
from egress.v1.egress_service_pb2 import (
    ClearFaultRequest,
    ClearFaultResponse,
    InjectFaultRequest,
    InjectFaultResponse,
    SetOutboundPolicyResponse,
)
from tests.unit.sdk.fake_server import FakeServer
from tests.unit.sdk.statuses import NOT_FOUND

NAME = "meshes/default/namespaces/default/faults/f"
SET = SetOutboundPolicyResponse(change=Change(name="meshes/default/changes/3", revision=3))
MADE = InjectFaultResponse(fault=Fault(name=NAME), change=Change(name="meshes/default/changes/4", revision=4))
ENDED = ClearFaultResponse(change=Change(name="meshes/default/changes/5", revision=5))
REACHED = WaitChangeResponse(reached=True)


def calls(server: FakeServer) -> list[str]:
    """The names of the methods called, in order."""
    return [name for name, _ in server.requests]


@pytest.fixture
def fault_server(server: FakeServer) -> FakeServer:
    """A server that accepts faults, and reaches every state that is waited for."""
    server.answer("InjectFault", MADE)
    server.answer("ClearFault", ENDED)
    server.answer("WaitChange", REACHED)
    return server


def test_a_change_is_waited_for(server: FakeServer) -> None:
    """The result of a mutation waits for the given state, up to the given timeout."""
    server.answer("SetOutboundPolicy", SET)
    server.answer("WaitChange", REACHED)
    with EgressClient(server.target) as client:
        change = client.set_outbound_policy("REGISTRY_ONLY")
        assert change.wait(until="verified", timeout=2).reached
    (request,) = server.sent("WaitChange")
    assert isinstance(request, WaitChangeRequest)
    assert (request.name, request.until, request.timeout.seconds) == (SET.change.name, WaitChangeRequest.VERIFIED, 2)


async def test_a_change_is_waited_for_async(server: FakeServer) -> None:
    """The results of the async client are awaited."""
    server.answer("SetOutboundPolicy", SET)
    server.answer("WaitChange", REACHED)
    async with AsyncEgressClient(server.target) as client:
        assert (await (await client.set_outbound_policy("REGISTRY_ONLY")).wait()).reached


def test_a_dry_run_is_not_waited_for(server: FakeServer) -> None:
    """After a dry run there is nothing to wait for, and no fault to hold."""
    with EgressClient(server.target) as client:
        with pytest.raises(ValueError, match="dry run"):
            client.set_outbound_policy("REGISTRY_ONLY", validate_only=True).wait()
        with pytest.raises(ValueError, match="dry run"):
            client.fault("h", delay=1, validate_only=True)


def test_a_held_fault(fault_server: FakeServer) -> None:
    """The block starts when the fault is applied; its end clears the fault and waits for that too."""
    with EgressClient(fault_server.target) as client, client.fault("h", delay="5s", ttl="10m") as fault:
        assert calls(fault_server) == ["InjectFault", "WaitChange"]
        assert fault == MADE.fault
    assert calls(fault_server)[2:] == ["ClearFault", "WaitChange"]
    (clear,) = fault_server.sent("ClearFault")
    assert isinstance(clear, ClearFaultRequest)
    assert clear.name == NAME


def test_held_faults_have_ids_of_their_own(fault_server: FakeServer) -> None:
    """A held fault gets a new ID and replaces no other fault, unless an ID is given."""
    with EgressClient(fault_server.target) as client:
        for id in ("", "", "mine"):
            with client.fault("h", delay=1, id=id, until=None):
                pass
    ids = [request.fault_id for request in fault_server.sent("InjectFault") if isinstance(request, InjectFaultRequest)]
    assert len(set(ids)) == 3
    assert ids[2] == "mine"
    assert "WaitChange" not in calls(fault_server)


def test_an_exception_clears_a_held_fault(fault_server: FakeServer) -> None:
    """The fault is cleared even if the block raises."""
    with EgressClient(fault_server.target) as client, pytest.raises(KeyError), client.fault("h", delay=1):
        raise KeyError
    assert "ClearFault" in calls(fault_server)


def test_a_held_fault_that_has_ended(fault_server: FakeServer) -> None:
    """A fault that expires before the block ends is not an error."""
    fault_server.answer("ClearFault", NOT_FOUND)
    with EgressClient(fault_server.target) as client, client.fault("h", delay=1):
        pass


def test_a_held_fault_that_does_not_come_about(fault_server: FakeServer) -> None:
    """If the fault does not take effect, the block does not run and the fault is cleared."""
    late = WaitChangeResponse(change=Change(revision=4, summary={"OFFLINE": 1}))
    fault_server.answer("WaitChange", late, REACHED)
    with EgressClient(fault_server.target) as client:
        held = client.fault("h", delay=1)
        with pytest.raises(egress.DeadlineExceeded, match=r"change 4 .* 1 OFFLINE"):
            held.__enter__()
    assert "ClearFault" in calls(fault_server)


def test_a_held_fault_that_no_cluster_has(fault_server: FakeServer) -> None:
    """If no cluster matches, the block does not run; clearing a fault that no cluster has is not an error."""
    nowhere = WaitChangeResponse(change=Change(revision=4), result=WaitChangeResponse.NO_CLUSTERS)
    fault_server.answer("WaitChange", nowhere, nowhere)
    with EgressClient(fault_server.target) as client:
        held = client.fault("h", delay=1)
        with pytest.raises(egress.FailedPrecondition, match=r"change 4 .* 0 clusters match"):
            held.__enter__()
    assert "ClearFault" in calls(fault_server)


async def test_a_held_fault_async(fault_server: FakeServer) -> None:
    """The async client holds faults in the same way."""
    async with AsyncEgressClient(fault_server.target) as client:
        held = client.fault("h", abort=503)
        assert await held.__aenter__() == MADE.fault
        assert not await held.__aexit__(KeyError, KeyError(), None)
        fault_server.answer("ClearFault", NOT_FOUND)
        async with client.fault("h", abort=503):
            pass
    assert calls(fault_server)[:4] == ["InjectFault", "WaitChange", "ClearFault", "WaitChange"]
