"""What crosses the agents' stream arrives as it was."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from egress.v1 import agent_service_pb2 as pb
from egress_server.contract.agent import (
    command_to_domain,
    command_to_proto,
    hello_to_domain,
    hello_to_proto,
    result_to_domain,
    result_to_proto,
)
from egress_server.domain.model.errors import InvalidArgument
from egress_server.domain.probe.evidence import Attempt, Destination, Evidence, LiveFault, Timings, UpstreamDelta
from egress_server.ports.agents import AgentInfo

INFO = AgentInfo("curl-0", "local", "default", "east", "0.1.0", {"app": "curl"})

_seconds = st.none() | st.integers(0, 10**9).map(lambda microseconds: microseconds / 10**6)
_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_count = st.integers(0, 2**62)
_evidence = st.builds(
    Evidence,
    captured=st.booleans(),
    status=st.integers(0, 999),
    http_version=_text,
    headers=st.lists(st.tuples(_text, _text), max_size=3).map(tuple),
    tls_error=_text,
    error=_text,
    timings=st.builds(Timings, *[_seconds] * 5),
    address=_text,
    upstreams=st.lists(st.builds(UpstreamDelta, _text, _text, _count, _count, _count), max_size=3).map(tuple),
    warming_clusters=st.lists(_text, max_size=3).map(tuple),
    refused=_text,
    refused_message=_text,
    live_faults=st.lists(
        st.builds(
            LiveFault,
            _text,
            _text,
            st.integers(0, 10**9).map(lambda microseconds: microseconds / 10**6),
            st.integers(0, 599),
            st.none() | st.integers(0, 16),
        ),
        max_size=3,
    ).map(tuple),
    routed_to=st.lists(_text, max_size=3).map(tuple),
)


@given(_evidence)
def test_evidence(evidence: Evidence) -> None:
    """Evidence survives the way, to the microsecond."""
    wire = result_to_proto("7", evidence).SerializeToString()
    assert result_to_domain(pb.AttemptResult.FromString(wire)) == evidence


@pytest.mark.parametrize(
    "attempt",
    [
        Attempt(Destination("http", "www.example.com", 80)),
        Attempt(Destination("https", "2001:db8::1", 443, "/a?b=c&d"), "GET", {"x": "y"}, "203.0.113.10", 2.5),
        Attempt(Destination("https", "www.example.com", 80, "/?")),
        Attempt(Destination("http", "www.example.com.", 443)),
        Attempt(Destination("tcp", "db.example.com", 3306)),
        Attempt(Destination("tls", "2001:db8::1", 443)),
    ],
)
def test_command(attempt: Attempt) -> None:
    """An attempt survives the way."""
    assert command_to_domain(command_to_proto("7", attempt)) == attempt


@pytest.mark.parametrize(
    "url",
    [
        *("", "www.example.com", "ftp://www.example.com/", "tcp://www.example.com:80/", "http://", "http:///"),
        *(
            "http://user@127.0.0.1/",
            "http://a:b@www.example.com/",
            "http://www.example.com/#f",
            "http://www.example.com",
        ),
        *("http://www.example.com:80/", "HTTP://www.example.com/", "http://www.example.com:0/", "http://[::1/"),
        *("http://www.example.com:99999/", "http://www.example.com:x/", "http://www.EXAMPLE.com/"),
        *("tcp://www.example.com", "tls://www.example.com", "tcp://www.example.com:80/a", "tls://www.example.com:80?a"),
        *("tcp://www.example.com:80#f", "tls://user@www.example.com:80", "TCP://www.example.com:80"),
        *("http://www.example.com\\@127.0.0.1/", "http://www.exam\tple.com/", " http://www.example.com/"),
    ],
)
def test_urls_in_another_form(url: str) -> None:
    """A URL that is not in the form the server writes is refused, so that no two readings of it can differ."""
    with pytest.raises(ValueError, match=r"."):
        command_to_domain(pb.AttemptCommand(url=url, method="HEAD"))


def test_hello() -> None:
    """Who an agent is survives the way."""
    assert hello_to_domain(hello_to_proto("default", INFO)) == ("default", INFO)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("cluster", ""),
        ("cluster", "local"),
        ("cluster", "meshes/default/clusters/"),
        ("cluster", "meshes/default/clusters/UPPER"),
        ("namespace", ""),
        ("namespace", "a/b"),
        ("agent", ""),
        ("agent", "a\nb"),
        ("agent", "a" * 254),
    ],
)
def test_bad_hello(field: str, value: str) -> None:
    """A bad hello names the field."""
    hello = hello_to_proto("default", INFO)
    setattr(hello, field, value)
    with pytest.raises(InvalidArgument) as refused:
        hello_to_domain(hello)
    assert refused.value.violations[0].field == f"hello.{field}"
