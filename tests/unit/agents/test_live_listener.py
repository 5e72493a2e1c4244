"""Whether the sidecar sees requests, by the listener that takes the connection."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest

from egress_server.agents.sidecar.live_config import listeners_page, sees_requests
from tests.unit.agents.listeners import HTTP, TCP, chain, listening

V4, V6 = "203.0.113.10", "2001:db8::10"
ANY = "0.0.0.0_80"


@pytest.mark.parametrize(
    ("page", "seen"),
    [
        (listening(ANY, [chain(HTTP)], chain(TCP)), True),
        (listening(ANY, [], chain(HTTP)), True),
        (listening(ANY, [chain(TCP)]), False),
        (listening(f"{V4}_80", [chain(TCP)]), False),
        (listening(ANY, [chain(HTTP), chain(TCP, "203.0.113.0/24")]), False),
        (listening(ANY, [chain(HTTP), chain(TCP, "198.51.100.0/24", "203.0.113.8/29")]), False),
        (listening(ANY, [chain(HTTP), chain(TCP, "198.51.100.0/24")]), True),
        (listening(ANY, [chain(TCP, "203.0.113.0/24"), chain(HTTP, "203.0.113.8/29")]), True),
        (listening(ANY, [chain(HTTP)], state="draining_state"), False),
        (b"{}", False),
    ],
)
def test_which_listener_takes_it(page: bytes, seen: bool) -> None:
    """That of the address before that of the port; within it the narrowest range before what has none."""
    assert sees_requests(page, V4, 80) is seen


def test_ipv6() -> None:
    """However the listener of the whole port is called."""
    for name in ("::_80", "[::]_80", ANY):
        assert sees_requests(listening(name, [chain(HTTP), chain(TCP, "203.0.113.0/24")]), V6, 80)


def test_what_is_asked_for() -> None:
    """Only the listeners that may take it: a mesh may have thousands."""
    [names] = parse_qs(urlsplit(listeners_page(V4, 80)).query)["name_regex"]
    every = (
        f"{V4}_80",
        ANY,
        "::_80",
        "[::]_80",
        "0.0.0.0_8080",
        "203.0.113.1_80",
        "203x0.113.10_80",
        "virtualOutbound",
    )
    assert [name for name in every if re.search(names, name)] == [f"{V4}_80", ANY, "::_80", "[::]_80"]


@pytest.mark.parametrize("page", [b"<html>", b"[]", b'{"configs": [{"name": "0.0.0.0_80", "active_state": {}}]}'])
def test_invalid_page(page: bytes) -> None:
    """It is an error, and no answer."""
    with pytest.raises(ValueError, match=r"."):
        sees_requests(page, V4, 80)
