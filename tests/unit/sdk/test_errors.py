"""Errors are raised as exceptions of their class, with the server's details."""

import threading

import pytest
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest
from google.rpc.status_pb2 import Status

import egress
from egress import AsyncEgressClient, EgressClient, EgressError
from tests.unit.sdk.fake_server import FakeServer
from tests.unit.sdk.statuses import BAD_PORT, BUSY, ETAG_MISMATCH, NOT_FOUND, REFUSED_FINDING, status


def failure(server: FakeServer, answer: Status) -> EgressError:
    """The exception for a status."""
    server.answer("GetCluster", answer)
    with EgressClient(server.target) as client, pytest.raises(EgressError) as caught:
        client.get_cluster("a")
    return caught.value


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (1, egress.Cancelled),
        (3, egress.InvalidArgument),
        (4, egress.DeadlineExceeded),
        (5, egress.NotFound),
        (6, egress.AlreadyExists),
        (7, egress.PermissionDenied),
        (8, egress.ResourceExhausted),
        (9, egress.FailedPrecondition),
        (10, egress.Aborted),
        (11, egress.OutOfRange),
        (12, egress.Unimplemented),
        (13, egress.InternalError),
        (2, egress.InternalError),
        (16, egress.Unauthenticated),
    ],
)
def test_each_code_has_a_class(server: FakeServer, code: int, kind: type[EgressError]) -> None:
    """The class follows the code; reason, message and metadata are the server's."""
    error = failure(server, status(code, "REASON", "message"))
    assert type(error) is kind
    assert (error.reason, error.message, error.metadata) == ("REASON", "message", {"word": "x"})


def test_etag_mismatch_has_a_class_of_its_own(server: FakeServer) -> None:
    """EtagMismatch is distinguished from other reasons of ABORTED."""
    error = failure(server, ETAG_MISMATCH)
    assert type(error) is egress.EtagMismatch
    assert isinstance(error, egress.Aborted)
    assert error.code == "ABORTED"


def test_violations(server: FakeServer) -> None:
    """Each violation has its path, and the text of the exception shows it."""
    error = failure(server, BAD_PORT)
    assert error.violations == [("service_entry.ports[0].number", "must be 1 to 65535")]
    assert str(error) == "INVALID_FIELD: 1 field is wrong; service_entry.ports[0].number: must be 1 to 65535"


def test_findings(server: FakeServer) -> None:
    """Findings that block a change have cause and fix."""
    error = failure(server, REFUSED_FINDING)
    assert [(finding.code, finding.fix) for finding in error.findings] == [("EGR0101", "use one")]
    assert "EGR0101: two protocols on one port" in str(error)


def test_nothing_is_said_twice(server: FakeServer) -> None:
    """A violation is not repeated if it is the message already."""
    violation = BadRequest.FieldViolation(field="url", description="is empty")
    error = failure(server, status(3, "INVALID_FIELD", "url: is empty", BadRequest(field_violations=[violation])))
    assert str(error) == "INVALID_FIELD: url: is empty"


def test_retry_after(server: FakeServer) -> None:
    """retry_after is in seconds, None if the server did not send it."""
    assert failure(server, BUSY).retry_after == 2.5
    assert failure(server, NOT_FOUND).retry_after is None


def test_an_error_without_details(server: FakeServer) -> None:
    """Failures of gRPC itself have a code and a text; the code serves as the reason."""
    error = failure(server, Status(code=5, message="plain"))
    assert (type(error), error.reason, error.message) == (egress.NotFound, "NOT_FOUND", "plain")
    assert (error.violations, error.findings, error.metadata) == ([], [], {})


async def test_the_awaited_client_raises_the_same(server: FakeServer) -> None:
    """Both clients decode errors alike."""
    server.answer("ListClusters", BAD_PORT)
    async with AsyncEgressClient(server.target) as client:
        with pytest.raises(egress.InvalidArgument) as caught:
            [cluster async for cluster in client.list_clusters()]
    assert caught.value.violations


def test_deadline(server: FakeServer) -> None:
    """A call that is not answered within its timeout raises DeadlineExceeded."""
    answered = threading.Event()

    def late(_: Message) -> Message:
        answered.wait()
        return egress.Cluster()

    server.answer("GetCluster", late)
    try:
        with EgressClient(server.target) as client, pytest.raises(egress.DeadlineExceeded):
            client.get_cluster("a", timeout=0.05)
    finally:
        answered.set()


def test_every_class_is_in_the_tree() -> None:
    """The tree drawn in the module's docstring names every class."""
    from egress._client import errors

    drawn = errors.__doc__ or ""
    classes = {
        name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, EgressError)
    }
    assert {name for name in classes if name not in drawn} == set()
