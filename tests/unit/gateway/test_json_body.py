"""Bodies that are not JSON, or that two JSON parsers read differently."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from egress_server.gateway.transcoder.problems import TranscodingError
from egress_server.gateway.transcoder.request import parse_json


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{", "malformed at line 1, column 2"),
        (b'{"a": 1}\n}', "malformed at line 2, column 1"),
        (b"\xff{}", "not valid UTF-8 at byte 0"),
        (b'{"a": "\xc3("}', "not valid UTF-8 at byte 7"),
        (b"\xef\xbb\xbf{}", "malformed"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": -Infinity}', "-Infinity"),
        (b'{"a": 1, "b": 2, "a": 3}', 'the name "a" twice'),
        (b'{"a": {"x": 1, "x": 1}}', 'the name "x" twice'),
        (b'{"b": 1, "a": 1, "c": 1, "c": 1, "a": 1}', 'the name "c" twice'),
        (b"[" * 100_000, "more than 100 levels deep"),
        (b'{"a":' * 40_000, "more than 100 levels deep"),
        (b"1" * 5000, "too many digits"),
    ],
)
def test_refused(body: bytes, said: str) -> None:
    """Each is rejected with the problem and its position, and without names of Python types."""
    with pytest.raises(TranscodingError, match="JSON body") as caught:
        parse_json(body)
    assert said in caught.value.message
    assert caught.value.reason == "MALFORMED_REQUEST"
    assert "Error" not in caught.value.message


def test_depth_limit_is_in_metadata() -> None:
    """A body that is too deep names the limit."""
    with pytest.raises(TranscodingError) as caught:
        parse_json(b"[" * 100_000)
    assert caught.value.metadata == {"max_depth": "100"}


def test_a_repeated_name_among_many() -> None:
    """Found in one pass."""
    names = ", ".join(f'"{number}": 1' for number in (*range(24_000), 23_999))
    with pytest.raises(TranscodingError, match='has the name "23999" twice'):
        parse_json(f"{{{names}}}".encode())


@pytest.mark.parametrize("body", [b"[" + b"1," * 60_000 + b"1]", b"{" + b'"a":1' * 60_000 + b"}"])
def test_too_many_values(body: bytes) -> None:
    """Refused before they are parsed, with the limit."""
    with pytest.raises(TranscodingError, match="has more than 50000 commas and colons") as caught:
        parse_json(body)
    assert caught.value.metadata == {"max_values": "50000"}


def test_empty_is_an_empty_object() -> None:
    """No body is the same as {}."""
    assert parse_json(b"") == {}


@given(st.binary(max_size=200))
def test_any_bytes(body: bytes) -> None:
    """Bytes give a value or a TranscodingError, nothing else."""
    with suppress(TranscodingError):
        parse_json(body)
