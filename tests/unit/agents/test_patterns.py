"""Regular expressions that any Envoy accepts, for names of any length."""

import re
from urllib.parse import unquote

import pytest

from egress_server.agents.sidecar.patterns import SHARED_PATTERN, host_pattern, listener_pattern, name_pattern

LONG = "outbound|443|v1|payments-gateway.eu-central-1.partners.department-of-many-words.example.com"
_LIMIT = 75  # characters; RE2 compiles each to about one instruction, and has some more for `.*`


@pytest.mark.parametrize("name", ["80", LONG, f"{LONG[16:]}:8080", "PassthroughCluster", "outbound|80||*.com"])
def test_a_pattern_matches_its_name_and_is_short(name: str) -> None:
    """It has the ends of a long name."""
    pattern = unquote(name_pattern(name))
    assert re.fullmatch(pattern, name)
    assert len(pattern.replace("\\", "")) < _LIMIT


@pytest.mark.parametrize("name", [LONG, "outbound|443||*.com", "outbound|443||*", "outbound|443||*.example.com"])
def test_a_host_may_be_served_by_wildcards(name: str) -> None:
    """All of the port are found."""
    pattern = unquote(host_pattern(443, LONG[16:]))
    assert re.search(pattern, name)
    assert not re.search(pattern, "outbound|443||www.example.com")
    assert len(pattern.replace("\\", "")) < _LIMIT


@pytest.mark.parametrize("name", ["2001:db8:1111:2222:3333:4444:5555:6666_65535", "0.0.0.0_65535", "::_65535"])
def test_listeners_of_an_address(name: str) -> None:
    """The address itself, or any."""
    pattern = unquote(listener_pattern("2001:db8:1111:2222:3333:4444:5555:6666", 65535))
    assert re.fullmatch(pattern, name)
    assert not re.fullmatch(pattern, "0.0.0.0_80")
    assert len(pattern.replace("\\", "")) < _LIMIT


def test_what_is_always_read() -> None:
    """The clusters of unregistered hosts, and the API server's."""
    pattern = unquote(SHARED_PATTERN)
    assert re.search(pattern, "AllowAnyDynamicDNSCluster")
    assert len(pattern.replace("\\", "")) < _LIMIT
