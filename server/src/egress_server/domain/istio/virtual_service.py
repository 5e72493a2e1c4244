"""Istio's VirtualService as its sidecars evaluate it, parsed from a manifest's spec.

Stored within inventories as JSON: a released field is never renamed, and a new one needs a default.
"""

from dataclasses import dataclass, field

from egress_server.domain.model.resources import Abort, Delay, StringMatch
from egress_server.domain.model.selectors import Labels

MESH_GATEWAY = "mesh"
"""The gateway name that means the sidecars."""


@dataclass(frozen=True, slots=True)
class NamedMatch:
    """A condition on the header or query parameter `name`."""

    name: str
    match: StringMatch


@dataclass(frozen=True, slots=True)
class RequestMatch:
    """Istio's HTTPMatchRequest: all conditions must hold; what is None, empty or 0 sets no condition."""

    uri: StringMatch | None = None
    ignore_uri_case: bool = False
    scheme: StringMatch | None = None
    method: StringMatch | None = None
    authority: StringMatch | None = None
    headers: tuple[NamedMatch, ...] = ()
    without_headers: tuple[NamedMatch, ...] = ()
    query_params: tuple[NamedMatch, ...] = ()
    port: int = 0
    source_labels: Labels = field(default_factory=dict)
    source_namespace: str = ""
    gateways: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RouteTarget:
    """Istio's Destination with its weight; `port` 0 means none is given."""

    host: str
    port: int = 0
    subset: str = ""
    weight: int = 0


@dataclass(frozen=True, slots=True)
class HttpRule:
    """Istio's HTTPRoute. `match` is an alternative of conditions, empty if every request matches. `answers` is
    "redirect" or "directResponse" if the sidecar answers requests itself, with `status`. `delegate` is NAMESPACE/NAME
    of the VirtualService whose rules apply instead."""

    name: str = ""
    match: tuple[RequestMatch, ...] = ()
    route: tuple[RouteTarget, ...] = ()
    answers: str = ""
    status: int = 0
    delay: Delay | None = None
    abort: Abort | None = None
    delegate: str = ""


@dataclass(frozen=True, slots=True)
class ConnectionMatch:
    """Istio's TLSMatchAttributes and L4MatchAttributes: all conditions must hold; only TLS rules have server names."""

    sni_hosts: tuple[str, ...] = ()
    destination_subnets: tuple[str, ...] = ()
    port: int = 0
    source_labels: Labels = field(default_factory=dict)
    source_namespace: str = ""
    gateways: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ConnectionRule:
    """Istio's TLSRoute or TCPRoute."""

    match: tuple[ConnectionMatch, ...] = ()
    route: tuple[RouteTarget, ...] = ()


@dataclass(frozen=True, slots=True)
class VirtualServiceSpec:
    """The spec of one VirtualService. `hosts` are full names. Of the empty ones, `gateways` means the sidecars, and
    `export_to` MeshConfig's default. `mesh` is true if it applies to sidecars."""

    hosts: tuple[str, ...] = ()
    gateways: tuple[str, ...] = ()
    export_to: tuple[str, ...] = ()
    http: tuple[HttpRule, ...] = ()
    tls: tuple[ConnectionRule, ...] = ()
    tcp: tuple[ConnectionRule, ...] = ()

    @property
    def mesh(self) -> bool:
        """Whether it applies to sidecars, not only to gateways."""
        return not self.gateways or MESH_GATEWAY in self.gateways
