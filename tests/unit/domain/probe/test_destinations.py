"""Destinations of probes: their URL, and the hosts that match them."""

import pytest

from egress_server.domain.model.names import matches_host
from egress_server.domain.probe.evidence import Destination

HOST = "www.aliyun.com"


TCP = Destination("tcp", "db.example.com", 3306)


TLS = Destination("tls", HOST, 443)


HTTP = Destination("http", HOST, 80)


@pytest.mark.parametrize(
    ("pattern", "host", "matches"),
    [
        ("www.aliyun.com", "www.aliyun.com", True),
        ("www.aliyun.com", "aliyun.com", False),
        ("*.aliyun.com", "www.aliyun.com", True),
        ("*.aliyun.com", "a.b.aliyun.com", True),
        ("*.aliyun.com", "aliyun.com", False),
        ("*.aliyun.com", ".aliyun.com", False),
        ("*.aliyun.com", "evilaliyun.com", False),
        ("*", "anything.example", True),
        ("", "www.aliyun.com", False),
    ],
)
def test_matches_host(pattern: str, host: str, matches: bool) -> None:
    """A wildcard matches subdomains and nothing else."""
    assert matches_host(pattern, host) is matches


@pytest.mark.parametrize(
    ("destination", "url"),
    [
        (HTTP, "http://www.aliyun.com/"),
        (Destination("http", HOST, 443, "/a?b"), "http://www.aliyun.com:443/a?b"),
        (Destination("https", "2001:db8::1", 443), "https://[2001:db8::1]/"),
        (Destination("https", "2001:db8::1", 8443), "https://[2001:db8::1]:8443/"),
        (TCP, "tcp://db.example.com:3306"),
        (TLS, "tls://www.aliyun.com:443"),
    ],
)
def test_url(destination: Destination, url: str) -> None:
    """A destination is written with brackets and port only if they are needed."""
    assert destination.url == url
