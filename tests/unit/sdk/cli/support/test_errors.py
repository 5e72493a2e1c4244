"""The errors of egressctl and their exit status."""

import json

import pytest
from google.rpc.status_pb2 import Status

from tests.unit.sdk.cli.conftest import Run
from tests.unit.sdk.fake_server import FakeServer
from tests.unit.sdk.statuses import BAD_PORT, BUSY, ETAG_MISMATCH, NOT_FOUND, REFUSED_FINDING

ENTRY = ("entry", "upsert", "x", "--host", "h", "--port", "80:HTTP")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (BAD_PORT, ["INVALID_FIELD", "service_entry.ports[0].number: must be 1 to 65535"]),
        (REFUSED_FINDING, ["ERROR EGR0101", "cause: two protocols on one port", "fix:   use one"]),
        (BUSY, ["too many", "Retry after 2.5 s."]),
        (ETAG_MISMATCH, ["it has changed (ETAG_MISMATCH)"]),
        (NOT_FOUND, ["no such policy (NOT_FOUND)"]),
    ],
)
def test_refusals(ctl: Run, server: FakeServer, answer: Status, words: list[str]) -> None:
    """A refusal exits with status 1 and prints all of the server's details on standard error."""
    server.answer("UpsertServiceEntry", answer)
    done = ctl(*ENTRY)
    assert (done.code, done.out) == (1, "")
    assert [word for word in words if word not in done.err] == []


def test_refusal_in_json(ctl: Run, server: FakeServer) -> None:
    """With -o json the error is the Status as JSON, details included."""
    server.answer("UpsertServiceEntry", REFUSED_FINDING)
    done = ctl(*ENTRY, "-o", "json")
    error = json.loads(done.err)
    assert (done.code, done.out) == (1, "")
    assert (error["code"], error["details"][0]["reason"]) == (9, "BLOCKED_BY_FINDINGS")
    assert error["details"][1]["severity"] == "ERROR"


def test_timeout(ctl: Run, server: FakeServer) -> None:
    """A call that times out exits with status 3."""
    server.answer("GetCluster", Status(code=4, message="too late"))
    done = ctl("cluster", "get", "a")
    assert done.code == 3
    assert "too late" in done.err


def test_unreachable(run: Run) -> None:
    """If the server cannot be reached, the exit status is 3, and the error names the server and the next step."""
    done = run("cluster", "list", "--server", "127.0.0.1:1")
    assert done.code == 3
    assert "127.0.0.1:1" in done.err
    assert "egressctl doctor" in done.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("changes", "wait", "1", "--until", "foo"), "'--until': must be one of applied, verified"),
        (("cluster", "list", "-o", "foo"), "must be one of table, json, yaml"),
        (("probe", "http://a/", "--from", "x", "--count", "x"), "'--count': must be an integer"),
        (("fault", "inject", "a", "--percent", "x"), "'--percent': must be a number"),
    ],
)
def test_bad_value(ctl: Run, words: tuple[str, ...], message: str) -> None:
    """A usage error names what is allowed, in plain words."""
    done = ctl(*words)
    assert done.code == 2
    assert message in " ".join(done.err.split())
    assert "Value error" not in done.err
