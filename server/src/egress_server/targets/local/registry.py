"""The service registry as the sidecar of one namespace sees it.

Why it exists: which ServiceEntry answers for a host, and whether unknown hosts pass, depends on who
asks. Istio decides that before it writes any proxy configuration; so do we. Behaviour measured on
istiod 1.31.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from ipaddress import ip_address
from typing import Any

from egress_server.domain.render.objects import ROOT_NAMESPACE

Manifest = Mapping[str, Any]
"""A Kubernetes object as plain data."""


class Kind(Enum):
    """What a proxy can tell of a connection by its port's protocol: a Host, an SNI, or nothing."""

    HTTP = "http"
    TLS = "tls"
    TCP = "tcp"


_KINDS = {
    "HTTP": Kind.HTTP,
    "HTTP2": Kind.HTTP,
    "GRPC": Kind.HTTP,
    "GRPC-WEB": Kind.HTTP,
    "HTTPS": Kind.TLS,
    "TLS": Kind.TLS,
    "TCP": Kind.TCP,
    "MONGO": Kind.TCP,
}
_RESOLUTIONS = frozenset({"DNS", "DNS_ROUND_ROBIN", "STATIC", "NONE"})


@dataclass(frozen=True, slots=True)
class Port:
    """A port of a service; `target` is the port that endpoints listen on unless they name their
    own."""

    number: int
    name: str
    protocol: str
    target: int

    @property
    def kind(self) -> Kind:
        """How connections to this port are told apart."""
        return _KINDS[self.protocol]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address behind a service, an IP or a DNS name; `ports` maps port names to its own
    numbers."""

    address: str
    ports: Mapping[str, int]
    weight: int


@dataclass(frozen=True, slots=True)
class Service:
    """One host of the registry. `entry` is the name of the (first) ServiceEntry that brought it."""

    host: str
    namespace: str
    entry: str
    ports: tuple[Port, ...]
    resolution: str
    addresses: tuple[str, ...]
    endpoints: tuple[Endpoint, ...]


@dataclass(frozen=True, slots=True)
class Registry:
    """All that one namespace sees: the services, oldest first, and whether other destinations
    pass."""

    allow_any: bool
    services: tuple[Service, ...]


def unsupported(manifest: Manifest) -> str | None:
    """Say why a local cluster cannot do what this object asks; None when it can."""
    kind, spec = manifest["kind"], manifest.get("spec", {})
    if kind == "Sidecar":
        extra = sorted(set(spec) - {"outboundTrafficPolicy"})
        return f"a local cluster does not heed the Sidecar's {', '.join(extra)}" if extra else None
    if kind != "ServiceEntry":
        return f"a local cluster knows no {kind}"
    return _unsupported_entry(spec)


def _unsupported_entry(spec: Manifest) -> str | None:
    resolution = spec.get("resolution", "NONE")
    if resolution not in _RESOLUTIONS:
        return f"a local cluster has no resolution {resolution}"
    for port in spec.get("ports", ()):
        if str(port.get("protocol", "")).upper() not in _KINDS:
            return f"a local cluster has no protocol {port.get('protocol')!r} (port {port['number']})"
    if "workloadSelector" in spec:
        return "a local cluster has no workloads to select as endpoints"
    for endpoint in spec.get("endpoints", ()):
        address = str(endpoint.get("address", ""))
        if resolution == "STATIC" and not is_ip(address):
            return f"with resolution STATIC the endpoint {address!r} must be an IP address"
    if "*" in spec.get("hosts", ()):
        return "the host * is every host; an outbound policy ALLOW_ANY says that"
    wildcards = [host for host in spec.get("hosts", ()) if host.startswith("*")]
    if wildcards and resolution.startswith("DNS") and not spec.get("endpoints"):
        return f"DNS cannot resolve the wildcard host {wildcards[0]}"
    return None


def read_registry(manifests: Sequence[Manifest], namespace: str) -> Registry:
    """Reduce the objects, given oldest first, to what `namespace` sees.

    Raises:
        ValueError: an object is not supported; the text names it and says why.
    """
    for manifest in manifests:
        if (reason := unsupported(manifest)) is not None:
            name = manifest["metadata"]["name"]
            raise ValueError(f"{manifest['kind']} {_namespace(manifest)}/{name}: {reason}")
    visible = [m for m in manifests if m["kind"] == "ServiceEntry" and _visible(m, namespace)]
    by_host: dict[str, list[Service]] = {}
    for service in (service for manifest in visible for service in _services(manifest)):
        by_host.setdefault(service.host, []).append(service)
    return Registry(
        allow_any=_allow_any(manifests, namespace),
        services=tuple(_winner(candidates, namespace) for candidates in by_host.values()),
    )


def _allow_any(manifests: Sequence[Manifest], namespace: str) -> bool:
    """The namespace's own Sidecar, else the root one, else Istio's default. Sidecars never
    merge."""
    for owner in (namespace, ROOT_NAMESPACE):
        for manifest in manifests:
            if manifest["kind"] == "Sidecar" and _namespace(manifest) == owner:
                policy = manifest.get("spec", {}).get("outboundTrafficPolicy")
                # A policy without a mode is the enum's zero, REGISTRY_ONLY.
                return policy is None or policy.get("mode") == "ALLOW_ANY"
    return True


def _winner(candidates: list[Service], namespace: str) -> Service:
    """Entries of one host do not merge across namespaces: the client's own wins, else the oldest.
    Within that namespace their ports merge, the older entry first."""
    own = [service for service in candidates if service.namespace == namespace]
    first = (own or candidates)[0]
    ports: dict[int, Port] = {}
    for service in candidates:
        if service.namespace == first.namespace:
            for port in service.ports:
                ports.setdefault(port.number, port)
    return replace(first, ports=tuple(ports.values()))


def _visible(manifest: Manifest, namespace: str) -> bool:
    export_to = manifest["spec"].get("exportTo") or ["*"]
    own = _namespace(manifest) == namespace
    return any(to in ("*", namespace) or (to == "." and own) for to in export_to)


def _services(manifest: Manifest) -> list[Service]:
    spec = manifest["spec"]
    return [
        Service(
            host=host,
            namespace=_namespace(manifest),
            entry=manifest["metadata"]["name"],
            ports=tuple(_port(port) for port in spec.get("ports", ())),
            resolution=spec.get("resolution", "NONE"),
            addresses=tuple(spec.get("addresses", ())),
            endpoints=tuple(_endpoint(endpoint) for endpoint in spec.get("endpoints", ())),
        )
        for host in spec["hosts"]
    ]


def _port(port: Manifest) -> Port:
    number = int(port["number"])
    return Port(
        number=number,
        name=port.get("name", ""),
        protocol=str(port["protocol"]).upper(),
        target=int(port.get("targetPort") or number),
    )


def _endpoint(endpoint: Manifest) -> Endpoint:
    return Endpoint(
        address=endpoint["address"],
        ports=dict(endpoint.get("ports", {})),
        weight=int(endpoint.get("weight") or 1),
    )


def _namespace(manifest: Manifest) -> str:
    return str(manifest["metadata"].get("namespace") or "default")


def is_ip(text: str) -> bool:
    """Whether the text is an IP address rather than a name."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
