"""egressctl changes, and --wait of every mutation."""

import pytest

from egress import ClusterRollout
from egress.v1.change_service_pb2 import (
    GetChangeRequest,
    ListChangesResponse,
    ListClusterRolloutsRequest,
    ListClusterRolloutsResponse,
    WaitChangeRequest,
    WaitChangeResponse,
)
from tests.unit.sdk.cli.conftest import Run
from tests.unit.sdk.cli.replies import CHANGE, SET, waited
from tests.unit.sdk.fake_server import FakeServer


def test_list(ctl: Run, server: FakeServer) -> None:
    """A change shows what, by whom and why; brackets in its text are not markup."""
    server.answer("ListChanges", ListChangesResponse(changes=[CHANGE]))
    assert ctl("changes", "list").out.splitlines()[1].rstrip().endswith("2023-11-14 22:13:20Z  because [of] it")
    assert ctl("changes", "list", "-o", "json").json["changes"][0]["type"] == "SET"


def test_show(ctl: Run, server: FakeServer) -> None:
    """A change is shown with its rollouts, in JSON as a field of its own."""
    server.answer("GetChange", CHANGE)
    rollout = ClusterRollout(
        cluster="meshes/default/clusters/a", state=ClusterRollout.APPLIED, applied_revision=17, stale_workloads=3
    )
    server.answer("ListClusterRollouts", ListClusterRolloutsResponse(cluster_rollouts=[rollout]))
    assert ctl("changes", "get", "17").out.splitlines()[-1].split() == ["a", "APPLIED", "17", "3"]
    shown = ctl("changes", "get", CHANGE.name, "-o", "json").json
    assert (shown["revision"], shown["clusterRollouts"][0]["state"]) == ("17", "APPLIED")
    assert server.sent("GetChange") == [GetChangeRequest(name=CHANGE.name)] * 2
    assert server.sent("ListClusterRollouts") == [ListClusterRolloutsRequest(parent=CHANGE.name, page_size=1000)] * 2


def test_wait_until_reached(ctl: Run, server: FakeServer) -> None:
    """A wait prints its progress as lines, and ends when the state is reached."""
    server.answer("WaitChange", waited("PENDING"), waited("PENDING"), waited("VERIFIED", reached=True))
    done = ctl("changes", "wait", "17", "--until", "verified", "--timeout", "1m")
    assert (done.code, done.out) == (0, "")
    assert done.err.splitlines() == [
        "waiting: 1 PENDING",
        "waiting: 1 VERIFIED",
        "Change 17 is verified on every affected cluster.",
    ]
    request = server.sent("WaitChange")[0]
    assert isinstance(request, WaitChangeRequest)
    assert (request.name, request.until) == (CHANGE.name, WaitChangeRequest.VERIFIED)


@pytest.mark.parametrize(
    ("states", "code"),
    [
        (["PENDING", "OFFLINE"], 3),
        (["APPLIED", "DISAGREES"], 4),
        (["DISAGREES", "FAILED"], 1),
        (["HELD"], 1),
    ],
)
def test_wait_that_times_out(ctl: Run, server: FakeServer, states: list[str], code: int) -> None:
    """At the timeout the state is printed, and the exit status tells the cause."""
    server.answer("WaitChange", waited(*states))
    done = ctl("changes", "wait", "17", "--until", "verified", "--timeout", "1ms")
    assert done.code == code
    assert all(f"c{number} {state}" in done.err for number, state in enumerate(states))


def test_wait_ends_where_only_somebody_could_help(ctl: Run, server: FakeServer) -> None:
    """Waiting does not resolve HELD and UNSUPPORTED: the wait ends when only such clusters are left."""
    server.answer("WaitChange", waited("PENDING", "HELD"), waited("VERIFIED", "HELD", "UNSUPPORTED"))
    done = ctl("changes", "wait", "17", "--until", "verified", "--timeout", "10m")
    assert done.code == 1
    assert len(server.sent("WaitChange")) == 2
    assert "waiting: 1 HELD, 1 PENDING; c1: it is so (WHY)" in done.err
    assert "c1 HELD: it is so (WHY)" in done.err


def test_a_wait_tells_what_holds_it_up(ctl: Run, server: FakeServer) -> None:
    """Each reason is printed once, with the first cluster that has it, and at most three of them."""
    reply = waited(*["APPLIED"] * 6)
    for rollout, reason in zip(reply.waiting_for, ["", "DNS", "DNS", "A", "B", "C"], strict=True):
        if reason:
            rollout.error.MergeFrom(ClusterRollout.Error(reason=reason, message=f"because of {reason.lower()}"))
    server.answer("WaitChange", reply)
    done = ctl("changes", "wait", "17", "--until", "verified", "--timeout", "1ms")
    lines = done.err.splitlines()
    assert lines[0] == "waiting: 6 APPLIED; c1: because of dns (DNS); c3: because of a (A); c4: because of b (B)"
    assert lines[2:] == [
        "  c0 APPLIED",
        *(f"  c{n} APPLIED: because of {r.lower()} ({r})" for n, r in enumerate(["DNS", "DNS", "A", "B", "C"], 1)),
    ]


@pytest.mark.parametrize("until", ["applied", "verified"])
def test_wait_for_no_cluster(ctl: Run, server: FakeServer, until: str) -> None:
    """A change that matches no cluster is neither applied nor verified: the wait ends at once, with its own status."""
    server.answer("WaitChange", WaitChangeResponse(change=CHANGE, result=WaitChangeResponse.NO_CLUSTERS))
    done = ctl("changes", "wait", "17", "--until", until, "--timeout", "10m")
    assert done.code == 6
    assert len(server.sent("WaitChange")) == 1
    assert done.err.splitlines()[-1] == f"Change 17 is not {until}: 0 clusters match (NO_CLUSTERS)"


def test_what_a_verification_leaves_out(ctl: Run, server: FakeServer) -> None:
    """It is said, although the state is reached."""
    reply = waited("VERIFIED", reached=True)
    partly = reply.partly_verified.add(cluster="meshes/default/clusters/c0", state=ClusterRollout.VERIFIED)
    partly.error.MergeFrom(ClusterRollout.Error(reason="PARTLY_PROBED", message="not probed: ports 3306 (TCP)"))
    server.answer("WaitChange", reply)
    done = ctl("changes", "wait", "17", "--until", "verified")
    assert done.code == 0
    assert done.err.splitlines()[-1] == "  c0: not probed: ports 3306 (TCP) (PARTLY_PROBED)"


def test_wait_json(ctl: Run, server: FakeServer) -> None:
    """-o json prints the last WaitChangeResponse, whatever the exit code."""
    server.answer("WaitChange", waited("PENDING"))
    done = ctl("changes", "wait", "17", "--timeout", "1ms", "-o", "json")
    assert done.code == 3
    assert done.json["waitingFor"][0]["state"] == "PENDING"


def test_a_mutation_waits(ctl: Run, server: FakeServer) -> None:
    """--wait of a mutation prints the reply, then waits for its change; progress is not part of the output."""
    server.answer("SetOutboundPolicy", SET)
    server.answer("WaitChange", waited("APPLIED", reached=True))
    done = ctl("outbound", "set", "ALLOW_ANY", "--wait", "applied", "-o", "json")
    assert done.code == 0
    assert done.json["change"]["name"] == CHANGE.name
    assert "applied on every affected cluster" in done.err


def test_a_mutation_that_is_not_reached(ctl: Run, server: FakeServer) -> None:
    """The reply is printed even if the wait fails: the change has been made."""
    server.answer("SetOutboundPolicy", SET)
    server.answer("WaitChange", waited("PENDING"))
    done = ctl("outbound", "set", "ALLOW_ANY", "--wait", "verified", "--timeout", "1ms")
    assert done.code == 3
    assert "(change 17)" in done.out


def test_usage(ctl: Run) -> None:
    """Durations and choices that are not valid are usage errors."""
    assert ctl("changes", "wait", "17", "--timeout", "10").code == 2
    assert ctl("changes", "wait", "17", "--until", "later").code == 2
    assert ctl("changes", "get").code == 2
