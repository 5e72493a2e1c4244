"""Control characters in requests."""

import pytest
from google.protobuf.message import Message

from egress.v1 import egress_service_pb2 as pb
from egress.v1 import service_entry_pb2
from egress_server.domain.model.errors import InvalidArgument
from egress_server.pipeline.text_fields import check_text_fields

CONTROLS = ["\x00", "\t", "\n", "\r", "\x1b", "\x7f", "\x85", "\x9b"]


def upsert(**fields: object) -> pb.UpsertServiceEntryRequest:
    """A request with these fields of the entry."""
    return pb.UpsertServiceEntryRequest(service_entry=service_entry_pb2.ServiceEntry(**fields))  # type: ignore[arg-type]


def requests_with(text: str) -> dict[str, Message]:
    """Requests by the path of the field that has `text`."""
    endpoint = service_entry_pb2.Endpoint(labels={"a": text})
    return {
        "parent": pb.UpsertServiceEntryRequest(parent=text),
        "reason": pb.UpsertServiceEntryRequest(reason=text),
        "page_token": pb.ListServiceEntriesRequest(page_token=text),
        "service_entry.hosts[1]": upsert(hosts=["a", text]),
        'service_entry.labels["a"]': upsert(labels={"a": text}),
        'service_entry.labels["a?b"]': upsert(labels={f"a{text}b": "c"}),
        'service_entry.endpoints[0].labels["a"]': upsert(endpoints=[endpoint]),
    }


@pytest.mark.parametrize("control", CONTROLS)
@pytest.mark.parametrize("path", requests_with(""))
def test_refused_wherever_they_are(path: str, control: str) -> None:
    """In plain, repeated, nested and mapped fields, and in keys, by the path of the field."""
    with pytest.raises(InvalidArgument) as caught:
        check_text_fields(requests_with(control)[path])
    (violation,) = caught.value.violations
    assert (violation.field, violation.description) == (
        path,
        "must not contain control characters, such as line breaks",
    )


@pytest.mark.parametrize("text", ["", "a b", "\u00e9\u4e2d", "a\u00a0b", "\U0001f600"])
def test_other_text_passes(text: str) -> None:
    """In any script."""
    for request in requests_with(text).values():
        check_text_fields(request)


def test_documents_have_lines() -> None:
    """Their parsers check the values in them."""
    check_text_fields(pb.UpsertServiceEntryRequest(istio_yaml="a: b\nc: d\n"))
