"""The filter chains of a listener, and which of them Envoy chooses for a connection."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from egress_server.domain.istio.virtual_service import RouteTarget
from egress_server.domain.simulate.istiod.services import MeshService
from egress_server.domain.simulate.istiod.virtual_services import VirtualService

_ANY = "*"


@dataclass(frozen=True, slots=True)
class FilterChain:
    """A filter chain that exists because of a service, None if an unknown one is assumed. It is for connections to some
    server names and address ranges, all if there are none, and sends them to its targets, as a VirtualService or else
    the service itself says; `names_virtual_service`: its configuration names that VirtualService.

    One that `is_http` is for plaintext HTTP and has routes: those of the port, or only those of `routes_of`.
    """

    service: MeshService | None
    server_names: tuple[str, ...] = ()
    cidrs: tuple[str, ...] = ()
    targets: tuple[RouteTarget, ...] = ()
    virtual_service: VirtualService | None = None
    names_virtual_service: bool = True
    is_http: bool = False
    routes_of: MeshService | None = None

    @property
    def matches_all(self) -> bool:
        """Whether it is for all connections that no other chain gets."""
        return not self.is_http and not self.cidrs and (not self.server_names or _ANY in self.server_names)

    def conflicts(self, other: "FilterChain") -> bool:
        """Whether both are for the same connections: istiod drops the second one."""
        return (
            self.is_http == other.is_http
            and _names(self.server_names) == _names(other.server_names)
            and _networks(self.cidrs) == _networks(other.cidrs)
        )


def choose_chain(chains: Sequence[FilterChain], address: str, server_name: str, *, http: bool) -> FilterChain | None:
    """The chain that Envoy chooses, None if that of unregistered destinations. First the smallest range that contains
    the address (empty if unknown), then the closest server name, then the protocol: it never goes back, but there is a
    default chain for the rest."""
    default = next((chain for chain in chains if chain.matches_all), None)
    specific = [chain for chain in chains if not chain.matches_all]
    lengths = {id(chain): _prefix_length(chain, address) for chain in specific}
    longest = max((length for length in lengths.values() if length is not None), default=-1)
    in_range = [chain for chain in specific if lengths[id(chain)] == longest]
    named = _by_server_name(in_range, server_name)
    return next((chain for chain in named if not chain.is_http or http), default)


def _by_server_name(chains: Sequence[FilterChain], name: str) -> list[FilterChain]:
    if name:
        candidates = [name, *(f"*.{rest}" for rest in _parents(name))]
        for candidate in candidates:
            if found := [chain for chain in chains if candidate in map(str.lower, chain.server_names)]:
                return found
    return [chain for chain in chains if not _names(chain.server_names)]


def _parents(name: str) -> list[str]:
    labels = name.split(".")
    return [".".join(labels[i:]) for i in range(1, len(labels))]


def _prefix_length(chain: FilterChain, address: str) -> int | None:
    """That of its smallest range which contains the address, -1 if it has no ranges; None if none does."""
    networks = _networks(chain.cidrs)
    if not networks:
        return -1
    if not address:
        return None
    ip = ip_address(address)
    found = (ip_network(text) for text in networks)
    return max((n.prefixlen for n in found if n.version == ip.version and ip in n), default=None)


def _names(names: Sequence[str]) -> frozenset[str]:
    return frozenset(names) - {_ANY}


def _networks(cidrs: Sequence[str]) -> frozenset[str]:
    """The ranges without host bits; that of all addresses sets no condition."""
    found = set()
    for text in cidrs:
        try:
            network = ip_network(text, strict=False)
        except ValueError:
            continue
        if str(network.network_address) != "0.0.0.0":
            found.add(str(network))
    return frozenset(found)
