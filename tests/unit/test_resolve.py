"""How the command line specifies the real address of a host."""

import pytest

from egress_server.config.host_overrides import HostOverride, parse_host_override


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("www.example.com:80:127.0.0.1", HostOverride("www.example.com", 80, "127.0.0.1", 80)),
        ("www.example.com:80:127.0.0.1:8080", HostOverride("www.example.com", 80, "127.0.0.1", 8080)),
        ("WWW.Example.com.:443:[::1]:8443", HostOverride("www.example.com", 443, "::1", 8443)),
        ("www.example.com:443:[::1]", HostOverride("www.example.com", 443, "::1", 443)),
    ],
)
def test_valid(text: str, want: HostOverride) -> None:
    """curl's form, with an optional last port; hosts are lower-cased."""
    assert parse_host_override(text) == want


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "expected HOST:PORT:ADDRESS"),
        ("www.example.com:80", "expected HOST:PORT:ADDRESS"),
        (":80:127.0.0.1", "expected HOST:PORT:ADDRESS"),
        ("www.example.com:0:127.0.0.1", "PORT '0' is not a number from 1 to 65535"),
        ("www.example.com:http:127.0.0.1", "PORT 'http'"),
        ("www.example.com:80:127.0.0.1:", "PORT2 ''"),
        ("www.example.com:80:127.0.0.1:70000", "PORT2 '70000'"),
        ("www.example.com:80:localhost", "ADDRESS 'localhost' is not an IP address"),
        ("www.example.com:80:[::1:80", "written"),
        ("www.example.com:80:[::1]80", "written"),
        ("www.example.com:80:[127.0.0.1]", "brackets"),
    ],
)
def test_invalid(text: str, why: str) -> None:
    """An invalid value is refused with the invalid part."""
    with pytest.raises(ValueError, match=why.replace("[", r"\[")):
        parse_host_override(text)
