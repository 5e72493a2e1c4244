"""What an agent refuses before it dials: no connection is made for any of these."""

import asyncio
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import orjson
import pytest

from egress_server.agents.agent.dialer import Dialled
from egress_server.agents.agent.prober import Prober
from egress_server.agents.agent.resolver import DialTarget, Endpoint, Resolver, system_lookup
from egress_server.agents.sidecar.envoy_admin import EnvoySidecar
from egress_server.domain.probe.evidence import Attempt, Destination, Evidence
from tests.support.envoy.admin import Json, config_page
from tests.support.envoy.resources import cluster, entrance, http_listener, route, route_table

PUBLIC = "203.0.113.10"


@dataclass
class RecordingDialer:
    """Connects nowhere and records the addresses."""

    dialled: list[DialTarget] = field(default_factory=list)

    async def __call__(self, target: DialTarget) -> Dialled:
        """Never answers."""
        self.dialled.append(target)
        raise ConnectionRefusedError("recorded")


@dataclass
class Sidecar:
    """Envoy's admin pages: the hosts of one cluster, and the routes of one port."""

    cluster: str = ""
    hosts: Sequence[Mapping[str, object]] = ()
    routes: Sequence[Json] = ()
    clusters: Sequence[Json] = ()
    asked: list[str] = field(default_factory=list)

    async def fetch(self, target: str) -> bytes:
        """The routes, or else the page of clusters, whatever is asked."""
        self.asked.append(target)
        if target.startswith("/config_dump"):
            return config_page(
                target, listeners=[entrance(), http_listener(80)], routes=self.routes, active=self.clusters
            )
        hosts = [{"address": address, "stats": []} for address in self.hosts]
        return orjson.dumps({"cluster_statuses": [{"name": self.cluster, "host_statuses": hosts}]})


async def system(host: str, port: int) -> Sequence[str]:
    """Numeric spellings as the C library reads them; the given names are what DNS might return."""
    names = {
        "localhost": ["127.0.0.1"],
        "loopback.example.com": ["127.0.0.1"],
        "loopback6.example.com": ["::1"],
        "mapped.example.com": ["::ffff:127.0.0.1"],
        "mixed.example.com": [PUBLIC, "127.0.0.1"],
        "mixed-last.example.com": [PUBLIC, "2001:db8::1", "169.254.169.254"],
        "metadata.google.internal": ["169.254.169.254"],
        "nat64.example.com": ["64:ff9b::7f00:1"],
        "scoped.example.com": ["fe80::1%eth0"],
        "ali.example.com": ["100.100.100.200"],
        "any.example.com": ["0.0.0.0"],
    }
    if host in names:
        return names[host]
    flags = socket.AI_NUMERICHOST  # no test asks a name server
    return [str(item[4][0]) for item in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)]


async def attempt(
    host: str,
    *,
    resolve: str = "",
    port: int = 80,
    scheme: str = "http",
    overrides: Mapping[tuple[str, int], Endpoint] | None = None,
    sidecar: Sidecar | None = None,
    method: str = "HEAD",
    headers: Mapping[str, str] | None = None,
    path: str = "/",
) -> tuple[Evidence, list[DialTarget]]:
    """One attempt, and where it dialled."""
    dialer = RecordingDialer()
    make = Prober(
        Resolver(overrides or {}, system), dialer, EnvoySidecar((sidecar or Sidecar()).fetch), version="0.1.0"
    )
    what = Attempt(Destination(scheme, host, port, path), method, headers or {}, resolve, timeout=5)
    return await make(what), dialer.dialled


NUMERIC = [
    *("127.0.0.1", "127.0.0.2", "127.255.255.254", "127.0.0.1."),
    *("2130706433", "0x7f000001", "0x7f.1", "0x7f.0.0.1", "0177.0.0.1", "017700000001", "127.1", "127.0.1"),
    *("0", "0.0.0.0", "0x0", "00", "0.1.2.3"),
    *("2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "169.254.169.254", "169.254.43518", "169.16689662"),
    *("100.100.100.200", "1684301000", "0x646464c8", "168.63.129.16", "192.0.0.192"),
    *("224.0.0.1", "255.255.255.255", "4294967295"),
    *("::1", "::", "0:0:0:0:0:0:0:1", "::ffff:127.0.0.1", "::ffff:7f00:1", "::ffff:0:127.0.0.1", "::127.0.0.1"),
    *("64:ff9b::7f00:1", "64:ff9b:1::127.0.0.1", "2002:7f00:1::1", "2001:0:4136:e378:8000:63bf:80ff:fffe"),
    *("fe80::1", "fe80::a9fe:a9fe", "fd00:ec2::254", "fd20:ce::254", "ff02::1", "2001:db8::5efe:7f00:1"),
    *("::1%1", "fe80::1%1"),
]
NAMES = [
    *("localhost", "localhost.", "loopback.example.com", "loopback.example.com.", "loopback6.example.com"),
    *("mapped.example.com", "mixed.example.com", "mixed-last.example.com", "metadata.google.internal"),
    *("nat64.example.com", "scoped.example.com", "ali.example.com", "any.example.com"),
]
GIVEN = [
    *("127.0.0.1", "::1", "::ffff:127.0.0.1", "169.254.169.254", "fe80::1%eth0", "100.100.100.200", "0.0.0.0", "::"),
    *("64:ff9b::a9fe:a9fe", "2002:7f00:1::", "fd00:ec2::254", "255.255.255.255"),
    # No canonical address at all: nothing is guessed.
    *("2130706433", "0x7f.1", "127.1", "0177.0.0.1", "localhost", "127.0.0.1:80", "[::1]", "1.2.3.4 127.0.0.1"),
]


@pytest.mark.parametrize("host", [*NUMERIC, *NAMES])
@pytest.mark.parametrize("scheme", ["http", "https", "tls", "tcp"])
async def test_forbidden_hosts(host: str, scheme: str) -> None:
    """A host that leads to a forbidden address, by whatever spelling or name, is refused and nothing is dialled; of a
    name's addresses one is enough."""
    evidence, dialled = await attempt(host, scheme=scheme)
    assert dialled == []
    assert evidence.refused == "ADDRESS_FORBIDDEN"
    assert evidence.refused_message


@pytest.mark.parametrize("given", GIVEN)
async def test_forbidden_given_addresses(given: str) -> None:
    """An address that the caller names is checked as well, and must be a plain one."""
    evidence, dialled = await attempt("www.example.com", resolve=given)
    assert dialled == []
    assert evidence.refused == "ADDRESS_FORBIDDEN"


@pytest.mark.parametrize(
    "host",
    ["user@127.0.0.1", "127.0.0.1@198.51.100.7", "127.0.0.1#x", "127.0.0.1:80", "[::1]", "127.0.0.1 x", "nowhere"],
)
async def test_hosts_that_are_none(host: str) -> None:
    """An invalid host name resolves to nothing, and nothing is dialled."""
    evidence, dialled = await attempt(host)
    assert dialled == []
    assert "while resolving the name" in evidence.error


@pytest.mark.parametrize("host", ["a..b", "a" * 64 + ".example.com"])
async def test_names_that_cannot_be_asked_for(host: str) -> None:
    """What no name server could be asked for fails as a name that does not exist."""
    with pytest.raises(OSError, match="not a host name"):
        await system_lookup(host, 80)


async def test_system_lookup() -> None:
    """The system's own reading of an address is what counts."""
    assert await system_lookup("0x7f.1", 80) == ["127.0.0.1"]


@pytest.mark.parametrize(
    "address",
    [
        {"socket_address": {"address": "127.0.0.1", "port_value": 80}},
        {"socket_address": {"address": "::ffff:169.254.169.254", "port_value": 80}},
        {"pipe": {"path": "/var/run/docker.sock"}},
        {"envoy_internal_address": {"server_listener_name": "inner"}},
    ],
)
@pytest.mark.parametrize("cluster", ["outbound|80||www.example.com", "outbound|80||*.example.com", "outbound|80||*"])
async def test_forbidden_upstreams(cluster: str, address: Mapping[str, object]) -> None:
    """The sidecar goes by Host, not by the dialled address: a registered service with a forbidden endpoint is not
    probed."""
    evidence, dialled = await attempt("www.example.com", resolve=PUBLIC, sidecar=Sidecar(cluster, [address]))
    assert dialled == []
    assert evidence.refused == "ADDRESS_FORBIDDEN"


async def test_forbidden_upstreams_of_the_route() -> None:
    """A route that leads to another service leads to its endpoints: forbidden ones are not probed."""
    other = "outbound|8080||other.example.com"
    sidecar = Sidecar(
        other,
        [{"socket_address": {"address": "169.254.169.254", "port_value": 80}}],
        [route_table("80", {"www.example.com": [route(other)]})],
    )
    evidence, dialled = await attempt("www.example.com", resolve=PUBLIC, sidecar=sidecar)
    assert dialled == []
    assert evidence.refused == "ADDRESS_FORBIDDEN"


@pytest.mark.parametrize("name", ["outbound|80||*.example.com", "AllowAnyDynamicDNSCluster"])
@pytest.mark.parametrize(("given", "reason"), [(PUBLIC, "RESOLVE_UNUSED"), ("", "RESOLVED_BY_SIDECAR")])
async def test_hosts_that_the_sidecar_looks_up(name: str, given: str, reason: str) -> None:
    """Its answer may differ from that of the agent, so an allowed address does not help."""
    looking = cluster(name, type=None, cluster_type={"name": "envoy.clusters.dynamic_forward_proxy"})
    sidecar = Sidecar(name, routes=[route_table("80", {"*.example.com": [route(name)]})], clusters=[looking])
    pinned = {} if given else {("www.example.com", 80): (PUBLIC, 80)}
    evidence, dialled = await attempt("www.example.com", resolve=given, overrides=pinned, sidecar=sidecar)
    assert dialled == []
    assert evidence.refused == reason


async def test_other_services_do_not_matter() -> None:
    """Endpoints of other services, wherever they are, don't stand in the way."""
    own = Sidecar("outbound|80||other.example.com", [{"socket_address": {"address": "127.0.0.1", "port_value": 80}}])
    evidence, dialled = await attempt("www.example.com", resolve=PUBLIC, sidecar=own)
    assert dialled == [DialTarget((PUBLIC, 80), (PUBLIC, 80))]
    assert evidence.refused == "SIDECAR_UNREACHABLE"


PINNED = {("www.example.com", 80): ("127.0.0.1", 18080)}


async def test_what_resolve_gave_is_allowed() -> None:
    """The address and port that `--resolve` gave at start may be reached; the sidecar gets both ports, and as the
    original destination the address that the caller names, if any."""
    for given, address in (("", "127.0.0.1"), (PUBLIC, PUBLIC)):
        _, dialled = await attempt("www.example.com", resolve=given, overrides=PINNED)
        assert dialled == [DialTarget((address, 80), ("127.0.0.1", 18080))]


@pytest.mark.parametrize("given", [given for given in GIVEN if given not in {"127.0.0.1", "::ffff:127.0.0.1"}])
async def test_given_address_of_a_stand_in(given: str) -> None:
    """A stand-in makes no forbidden address, but the one that `--resolve` gave, one that may be named."""
    evidence, dialled = await attempt("www.example.com", resolve=given, overrides=PINNED)
    assert dialled == []
    assert evidence.refused == "ADDRESS_FORBIDDEN"


async def test_upstream_that_resolve_gave_is_allowed() -> None:
    """A registered service may have the endpoint that `--resolve` gave."""
    own = Sidecar("outbound|80||www.example.com", [{"socket_address": {"address": "127.0.0.1", "port_value": 18080}}])
    _, dialled = await attempt("www.example.com", overrides=PINNED, sidecar=own)
    assert len(dialled) == 1


@pytest.mark.parametrize(
    ("host", "port", "resolve"),
    [
        ("www.example.com", 8080, "127.0.0.1"),
        ("other.example.com", 80, "127.0.0.1"),
        ("127.0.0.1", 80, ""),
        ("127.0.0.1", 18081, ""),
        ("www.example.com", 18080, "127.0.0.2"),
    ],
)
async def test_the_exception_is_exact(host: str, port: int, resolve: str) -> None:
    """Neither another port nor another address profits from what `--resolve` gave."""
    evidence, dialled = await attempt(host, port=port, resolve=resolve, overrides=PINNED)
    assert dialled == []
    assert evidence.refused == "ADDRESS_FORBIDDEN"


@pytest.mark.parametrize("scheme", ["tls", "tcp"])
async def test_forbidden_upstreams_of_connections(scheme: str) -> None:
    """A service with a forbidden endpoint is not connected to either if no request is sent."""
    own = Sidecar("outbound|80||www.example.com", [{"socket_address": {"address": "127.0.0.1", "port_value": 80}}])
    evidence, dialled = await attempt("www.example.com", scheme=scheme, resolve=PUBLIC, sidecar=own)
    assert dialled == []
    assert evidence.refused == "ADDRESS_FORBIDDEN"


@pytest.mark.parametrize("method", ["POST", "CONNECT", "OPTIONS", "head", "", "HEAD / HTTP/1.1\r\nx: y"])
async def test_methods(method: str) -> None:
    """Only HEAD and GET are ever sent."""
    evidence, dialled = await attempt("www.example.com", resolve=PUBLIC, method=method)
    assert dialled == []
    assert evidence.refused == "METHOD_FORBIDDEN"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Host", "internal.example.com"),
        ("host", "internal.example.com"),
        ("Connection", "keep-alive"),
        ("Content-Length", "5"),
        ("Transfer-Encoding", "chunked"),
        ("Upgrade", "websocket"),
        ("x\r\nhost", "a"),
        ("x", "a\r\nhost: internal.example.com"),
        ("x", "a\0"),
        ("", "a"),
        (":authority", "internal.example.com"),
        ("x", "\N{SNOWMAN}"),
    ],
)
async def test_headers(name: str, value: str) -> None:
    """A header that names the host, frames the message or smuggles another one is refused."""
    evidence, dialled = await attempt("www.example.com", resolve=PUBLIC, headers={name: value})
    assert dialled == []
    assert evidence.refused == "REQUEST_INVALID"


@pytest.mark.parametrize("path", ["/ HTTP/1.1\r\nhost: x", "/a b", "/\0", "/\N{SNOWMAN}"])
async def test_paths(path: str) -> None:
    """A path that could end the request line is refused."""
    evidence, dialled = await attempt("www.example.com", resolve=PUBLIC, path=path)
    assert dialled == []
    assert evidence.refused == "REQUEST_INVALID"


async def test_name_that_hangs() -> None:
    """A resolver that does not answer costs the attempt's time and no more."""

    async def never(host: str, port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        raise AssertionError

    make = Prober(Resolver({}, never), RecordingDialer(), EnvoySidecar(Sidecar().fetch), version="0.1.0")
    evidence = await make(Attempt(Destination("http", "www.example.com", 80), timeout=0.01))
    assert evidence.error == "timed out while resolving the name"
    assert evidence.timings.resolve is None


async def test_sidecar_that_does_not_answer() -> None:
    """Without the sidecar's counters nothing is dialled."""

    async def gone(target: str) -> bytes:
        raise ConnectionRefusedError("gone")

    dialer = RecordingDialer()
    make = Prober(Resolver({}, system), dialer, EnvoySidecar(gone), version="0.1.0")
    evidence = await make(Attempt(Destination("http", "www.example.com", 80), resolve=PUBLIC))
    assert dialer.dialled == []
    assert (evidence.refused, evidence.refused_message) == ("SIDECAR_UNREACHABLE", "the sidecar did not respond: gone")
