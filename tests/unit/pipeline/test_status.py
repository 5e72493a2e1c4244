"""Domain errors as a google.rpc.Status: everything the caller needs, and never more than trailers can carry."""

import base64
from typing import TypeVar
from urllib.parse import quote

import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from hypothesis import given
from hypothesis import strategies as st

from egress.v1 import common_pb2
from egress_server.domain.model import errors
from egress_server.domain.model.errors import Aborted, Code, EgressError, FailedPrecondition, InvalidArgument, Violation
from egress_server.domain.model.findings import Finding, Severity
from egress_server.pipeline.status import MAX_LISTED, MAX_STATUS, internal_error, status_error

M = TypeVar("M", bound=Message)
KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, EgressError)]


def details(status: status_pb2.Status, kind: type[M]) -> list[M]:
    """The details of one type."""
    found = []
    for packed in status.details:
        detail = kind()
        if packed.Unpack(detail):
            found.append(detail)
    return found


def finding(number: int = 0, **fields: str) -> Finding:
    """A blocking finding."""
    whole = {"field": f"ports[{number}].protocol", "cause": "they differ", "fix": "agree", **fields}
    return Finding(
        "EGR0101", Severity.ERROR, resource="meshes/m/x/y", forceable=True, related_codes=("IST0177",), **whole
    )


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_error_has_code_and_reason(kind: type[EgressError]) -> None:
    """The reason of its class or its own, the domain of this API, and the metadata."""
    status = status_error(kind("it went wrong", metadata={"resource": "x"})).status
    assert (status.code, status.message) == (kind.code.value, "it went wrong")
    (info,) = details(status, error_details_pb2.ErrorInfo)
    assert (info.reason, info.domain, dict(info.metadata)) == (kind.reason, "egress.mesh", {"resource": "x"})
    (own,) = details(status_error(kind("", reason="OWN")).status, error_details_pb2.ErrorInfo)
    assert own.reason == "OWN"


def test_an_error_without_more_has_no_more_details() -> None:
    """Empty details are not sent."""
    assert len(status_error(Aborted("x")).status.details) == 1


@pytest.mark.parametrize(("count", "listed"), [(1, 1), (10, 10), (11, 10), (500, 10)])
def test_the_first_ten_violations_are_listed_and_all_are_counted(count: int, listed: int) -> None:
    """In their order."""
    wrong = [Violation(f"service_entry.ports[{i}].number", f"{i} must be 1 to 65535") for i in range(count)]
    status = status_error(InvalidArgument("wrong", violations=wrong)).status
    (bad,) = details(status, error_details_pb2.BadRequest)
    assert [(v.field, v.description) for v in bad.field_violations] == [
        (v.field, v.description) for v in wrong[:listed]
    ]
    (info,) = details(status, error_details_pb2.ErrorInfo)
    assert info.metadata["violation_count"] == str(count)


def test_findings_go_along_as_they_are() -> None:
    """Each as a message of the contract, and counted."""
    status = status_error(FailedPrecondition("no", findings=[finding(i) for i in range(12)])).status
    found = details(status, common_pb2.Finding)
    assert [f.field for f in found] == [f"ports[{i}].protocol" for i in range(MAX_LISTED)]
    assert found[0] == common_pb2.Finding(
        code="EGR0101",
        severity=common_pb2.Finding.ERROR,
        field="ports[0].protocol",
        resource="meshes/m/x/y",
        cause="they differ",
        fix="agree",
        suppressible=True,
        related_codes=["IST0177"],
    )
    (info,) = details(status, error_details_pb2.ErrorInfo)
    assert info.metadata["finding_count"] == "12"


@pytest.mark.parametrize(("seconds", "written"), [(0.1, (0, 100_000_000)), (2, (2, 0)), (1.5, (1, 500_000_000))])
def test_a_time_to_come_back_is_a_retry_info(seconds: float, written: tuple[int, int]) -> None:
    """Clients wait this long before they retry."""
    status = status_error(Aborted("busy", retry_after=seconds)).status
    (retry,) = details(status, error_details_pb2.RetryInfo)
    assert (retry.retry_delay.seconds, retry.retry_delay.nanos) == written


def test_our_own_mistakes_tell_only_where_to_look() -> None:
    """The trace ID, and nothing about the error."""
    status = internal_error("ab" * 16).status
    assert status.code == Code.INTERNAL.value
    (info,) = details(status, error_details_pb2.ErrorInfo)
    assert (info.reason, dict(info.metadata)) == ("INTERNAL", {"trace_id": "ab" * 16})


def trailer_bytes(status: status_pb2.Status) -> int:
    """What the Status takes in gRPC's trailers: itself in base64, and its message percent-encoded."""
    return len(base64.b64encode(status.SerializeToString())) + len(quote(status.message, safe=""))


def worst(letter: str) -> EgressError:
    """As much of everything as a request can cause."""
    long = letter * 100_000
    return FailedPrecondition(
        long,
        metadata=dict.fromkeys(("resource", "etag", "current_etag"), long),
        violations=[Violation(long, long)] * 1000,
        findings=[finding(cause=long, fix=long)] * 1000,
        retry_after=3600,
    )


@pytest.mark.parametrize("letter", ["x", "ö", "漢", "😀", "\0"])
def test_a_status_always_fits_into_trailers(letter: str) -> None:
    """However many problems there are, in any script; gRPC fails above 8 KB."""
    status = status_error(worst(letter)).status
    assert status.ByteSize() <= MAX_STATUS
    assert trailer_bytes(status) < 7000
    (bad,) = details(status, error_details_pb2.BadRequest)
    assert bad.field_violations
    (info,) = details(status, error_details_pb2.ErrorInfo)
    assert (info.metadata["violation_count"], info.metadata["finding_count"]) == ("1000", "1000")


def test_at_least_one_finding_is_listed_however_long() -> None:
    """The longest host in the longest names."""
    name = f"meshes/{'m' * 63}/namespaces/{'n' * 63}/serviceEntries/{'e' * 253}"
    long = Finding("EGR0101", Severity.ERROR, "ports[63].protocol", "c" * 5000, "f" * 5000, name, True, ("IST0177",))
    error = FailedPrecondition("m" * 5000, metadata={"codes": "EGR0101"}, findings=[long] * 50)
    status = status_error(error).status
    found = details(status, common_pb2.Finding)
    assert found
    assert found[0].resource == name
    assert trailer_bytes(status) < 7000


_texts = st.text(max_size=700)


@given(_texts, st.lists(st.builds(Violation, _texts, _texts), max_size=12), st.dictionaries(st.just("key"), _texts))
def test_any_error_becomes_a_status(message: str, wrong: list[Violation], metadata: dict[str, str]) -> None:
    """Whatever the text contains."""
    status = status_error(InvalidArgument(message, violations=wrong, metadata=metadata)).status
    assert status.ByteSize() <= MAX_STATUS
    assert trailer_bytes(status) < 7000


def test_half_a_character_is_never_sent() -> None:
    """A lone surrogate, which no message can carry, becomes a question mark."""
    assert status_error(InvalidArgument("a\ud800b")).status.message == "a?b"
