"""The API server of the agent's own cluster is never a destination, however its address is given."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import orjson
import pytest

from egress_server.agents.agent.dialer import Dialled, NoRoute
from egress_server.agents.agent.prober import Prober
from egress_server.agents.agent.resolver import DialTarget, Resolver
from egress_server.agents.sidecar.envoy_admin import EnvoySidecar
from egress_server.domain.probe.evidence import Attempt, Destination, Evidence

PUBLIC = "203.0.113.10"
SERVICE = "10.96.0.1"
NODE = "192.0.2.20"


@dataclass
class Nowhere:
    """Has no route, and records the addresses."""

    dialled: list[DialTarget] = field(default_factory=list)

    async def __call__(self, target: DialTarget) -> Dialled:
        """Never gets there."""
        self.dialled.append(target)
        raise NoRoute(f"no route to {target.dialled[0]} from here")


def sidecar(*clusters: tuple[str, str]) -> EnvoySidecar:
    """One with these clusters, of one host each."""

    async def fetch(target: str) -> bytes:
        statuses = [
            {"name": name, "host_statuses": [{"address": {"socket_address": {"address": to, "port_value": 6443}}}]}
            for name, to in clusters
        ]
        return orjson.dumps({"cluster_statuses": statuses})

    return EnvoySidecar(fetch)


async def attempt(
    host: str, *, beside: EnvoySidecar, port: int = 443, resolve: str = ""
) -> tuple[Evidence, list[DialTarget]]:
    """One attempt by TLS, and where it dialled."""

    async def lookup(host: str, port: int) -> Sequence[str]:
        names = {"kubernetes.default.svc": SERVICE, "node.example.com": NODE}
        return [names.get(host, host)]

    dialer = Nowhere()
    make = Prober(Resolver({}, lookup, api_server=[SERVICE]), dialer, beside, version="0.1.0")
    return await make(Attempt(Destination("tls", host, port), resolve=resolve, timeout=5)), dialer.dialled


@pytest.mark.parametrize(
    ("host", "port", "resolve"),
    [
        (SERVICE, 443, ""),
        (f"::ffff:{SERVICE}", 443, ""),
        ("kubernetes.default.svc", 443, ""),
        ("www.example.com", 443, SERVICE),
        (SERVICE, 80, ""),
    ],
)
async def test_api_service_address_is_refused(host: str, port: int, resolve: str) -> None:
    """The service's address, which every pod knows, is refused by whatever name, and on every port."""
    evidence, dialled = await attempt(host, port=port, resolve=resolve, beside=sidecar())
    assert (evidence.refused, dialled) == ("ADDRESS_FORBIDDEN", [])
    assert evidence.refused_message == f"{SERVICE} is an address of the cluster's API server"


@pytest.mark.parametrize("port", [443, 80, 2379])
@pytest.mark.parametrize(("host", "resolve"), [(NODE, ""), ("node.example.com", ""), ("www.example.com", NODE)])
async def test_as_the_sidecar_knows(host: str, port: int, resolve: str) -> None:
    """Its real addresses, which the sidecar knows, are refused as well, on every port."""
    beside = sidecar(("outbound|443||kubernetes.default.svc.cluster.local", NODE))
    evidence, dialled = await attempt(host, port=port, resolve=resolve, beside=beside)
    assert (evidence.refused, dialled) == ("ADDRESS_FORBIDDEN", [])
    assert evidence.refused_message == f"{NODE} is an address of the cluster's API server"


@pytest.mark.parametrize("to", [NODE, SERVICE])
async def test_as_an_endpoint(to: str) -> None:
    """A registered service that leads to it is not probed."""
    api_server = ("outbound|443||kubernetes.default.svc.cluster.local", NODE)
    beside = sidecar(api_server, ("outbound|443||www.example.com", to))
    evidence, dialled = await attempt("www.example.com", resolve=PUBLIC, beside=beside)
    assert (evidence.refused, dialled) == ("ADDRESS_FORBIDDEN", [])


async def test_others_may_be_asked() -> None:
    """And where the pod's network knows no route to one, that is said, not taken for the sidecar's silence."""
    beside = sidecar(("outbound|443||kubernetes.default.svc.cluster.local", NODE))
    evidence, dialled = await attempt("www.example.com", resolve=PUBLIC, beside=beside)
    assert dialled == [DialTarget((PUBLIC, 443), (PUBLIC, 443))]
    assert (evidence.refused, evidence.refused_message) == ("NO_ROUTE", f"no route to {PUBLIC} from here")
