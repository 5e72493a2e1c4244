"""Which VirtualService routes a request, and which fault on it applies, as istiod 1.31 configures it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from egress_server.domain.desired.effective import ActiveFault, Effective
from egress_server.domain.model.names import matches_host
from egress_server.domain.model.resources import Fault, HeaderMatch, MatchKind, StringMatch
from egress_server.domain.model.selectors import Labels
from egress_server.domain.observed.foreign_config import imports
from egress_server.domain.observed.inventory import ForeignSidecar, ForeignVirtualService
from egress_server.domain.probe.evidence import Destination
from egress_server.domain.render.host_traffic import host_traffic, needs_routes, virtual_service_rank
from egress_server.domain.simulate.listener import closeness
from egress_server.domain.simulate.registry import ALWAYS_HTTP, RegistryItem, is_registered


@dataclass(frozen=True, slots=True)
class ClientWorkload:
    """The workload that connects. `sidecar` is the foreign Sidecar that determines what it sees, if any."""

    namespace: str
    labels: Labels
    sidecar: ForeignSidecar | None = None


@dataclass(frozen=True, slots=True)
class Routing:
    """The VirtualService that routes a request: the one for `host`, either a `foreign` one or that of the managed
    `resource`; all three are empty if there is none. `faults` are those in the managed one, `fault` is the one of them
    that applies. `dangling`: the host is not registered on this port, so that routes to it lead nowhere."""

    host: str = ""
    foreign: ForeignVirtualService | None = None
    resource: str = ""
    faults: tuple[ActiveFault, ...] = ()
    fault: ActiveFault | None = None
    dangling: bool = False


def route(
    effective: Effective,
    owner: RegistryItem | None,
    destination: Destination,
    client: ClientWorkload,
    headers: Mapping[str, str],
    method: str,
) -> Routing:
    """What routes an HTTP request of a workload, and the managed fault that applies to it, if any."""
    routing = _find_routing(effective, owner, destination, client)
    matching = (
        active
        for active in routing.faults
        if not fault_mismatch(active.fault, destination, client.namespace, client.labels, headers, method)
    )
    return replace(routing, fault=next(matching, None))


def fault_mismatch(
    fault: Fault, destination: Destination, namespace: str, labels: Labels, headers: Mapping[str, str], method: str
) -> str:
    """Why a fault on the host of a request does not apply to it; empty if it does. A regular expression counts as
    matching, because only the sidecar can evaluate it."""
    if fault.ports and destination.port not in fault.ports:
        return f"applies only to port {', '.join(map(str, fault.ports))}"
    if fault.source_namespace not in {"", namespace}:
        return f"applies only to workloads in namespace {fault.source_namespace}"
    if not fault.source_labels.items() <= labels.items():
        return f"applies only to workloads labeled {format_labels(fault.source_labels)}"
    given = {name.lower(): value for name, value in headers.items()}
    conditions: list[tuple[str, StringMatch | HeaderMatch | None, str | None]] = [
        ("path", fault.match_uri, destination.path.partition("?")[0]),
        ("method", fault.match_method, method),
        ("authority", fault.match_authority, given.get("host", destination.authority)),
        *((f"header {match.name}", match, given.get(match.name)) for match in fault.match_headers),
    ]
    for what, match, value in conditions:
        if match and not _matches(match, value):
            return f"applies only to requests whose {what} {_condition(match)}"
    return ""


def may_not_apply(fault: Fault) -> bool:
    """Whether a matching request may be unaffected: percentages are random, and only the sidecar can evaluate a regular
    expression."""
    matches = (fault.match_uri, fault.match_method, fault.match_authority, *fault.match_headers)
    uncertain = any(match is not None and match.kind is MatchKind.REGEX for match in matches)
    return uncertain or max(part.percent for part in (fault.delay, fault.abort) if part) < 100


def fault_percent(fault: Fault) -> float:
    """The percentage of matching requests that are delayed, aborted, or both."""
    spared = 1.0
    for part in (fault.delay, fault.abort):
        spared *= 1 - part.percent / 100 if part else 1
    return round(100 * (1 - spared), 6)


def describe_effect(fault: Fault) -> str:
    """What a fault does to requests, for messages."""
    parts = []
    if fault.delay:
        parts.append(f"delays {fault.delay.percent:g}% of requests by {fault.delay.seconds:g} s")
    if fault.abort:
        status = f"HTTP {fault.abort.http_status}" if fault.abort.http_status else f"gRPC {fault.abort.grpc_status}"
        parts.append(f"aborts {fault.abort.percent:g}% of requests with {status}")
    return " and ".join(parts)


def format_labels(labels: Labels) -> str:
    """Labels as in a Kubernetes label selector."""
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items()))


def _find_routing(
    effective: Effective, owner: RegistryItem | None, destination: Destination, client: ClientWorkload
) -> Routing:
    """The VirtualService with the closest host, of several the first in istiod's order. If a foreign one prevents a
    managed one, the applier reports that."""
    in_order = sorted(
        _virtual_services(effective, client, destination, owner), key=lambda each: (each[0], bool(each[1].foreign))
    )
    routings = [routing for _, routing in in_order]
    dangling = _closest_host(
        routing
        for routing in routings
        if matches_host(routing.host, destination.host) and _is_dangling(effective, client, destination.port, routing)
    )
    if dangling.host and (owner is None or closeness(dangling.host) > closeness(owner.host)):
        return replace(dangling, dangling=True)
    if owner is None:
        return Routing()
    return _closest_host(routing for routing in routings if matches_host(routing.host, owner.host))


_Rank = tuple[int, datetime]


def _virtual_services(
    effective: Effective, client: ClientWorkload, destination: Destination, owner: RegistryItem | None
) -> Iterator[tuple[_Rank, Routing]]:
    """All VirtualServices that the client sees for the destination, with their ranks in istiod's order: those that the
    client's own namespace keeps for itself and some others, then those exported to it by name, then those exported to
    all; older ones first. The age of a managed one is not known, but it is not before that of the first resource which
    requires it."""
    for vs in effective.foreign.virtual_services:
        rank = virtual_service_rank(vs.export_to, vs.namespace, client.namespace), vs.create_time
        yield from ((rank, Routing(host, foreign=vs)) for host in vs.hosts if _sees(client, vs, host))
    hosts = {active.fault.host for active in effective.faults}
    hosts |= {host for entry in effective.entries if needs_routes(entry) for host in entry.hosts}
    for host in hosts:
        if matches_host(host, destination.host) or (owner and matches_host(host, owner.host)):
            for traffic in host_traffic(effective, host):
                sources = traffic.routing_sources
                if sources and traffic.sees(client.namespace) and _imports(client, traffic.namespace, host):
                    group = virtual_service_rank(traffic.export_to, traffic.namespace, client.namespace)
                    created = min(effective.create_times[name] for name in sources)
                    yield (group, created), Routing(host, resource=sources[0], faults=traffic.faults)


def _is_dangling(effective: Effective, client: ClientWorkload, port: int, routing: Routing) -> bool:
    """Whether the host is not registered on the port but is routed there all the same: always on port 80, and if
    another host of the same VirtualService is HTTP on the port."""

    def registered(host: str, *, http: bool = False) -> bool:
        return is_registered(effective, client.namespace, client.sidecar, port, host, http=http)

    hosts = routing.foreign.hosts if routing.foreign else ()
    if registered(routing.host):
        return False
    return port == ALWAYS_HTTP or any(registered(host, http=True) for host in hosts)


def _closest_host(routings: Iterable[Routing]) -> Routing:
    """The first of those with the closest host; an empty one if there are none."""
    return max(routings, key=lambda routing: closeness(routing.host), default=Routing())


def _sees(client: ClientWorkload, vs: ForeignVirtualService, host: str) -> bool:
    """Whether the client's sidecar applies a VirtualService to a host."""
    exported = not vs.export_to or any(
        to in {"*", client.namespace} or (to == "." and vs.namespace == client.namespace) for to in vs.export_to
    )
    return exported and _imports(client, vs.namespace, host)


def _imports(client: ClientWorkload, namespace: str, host: str) -> bool:
    return client.sidecar is None or imports(client.sidecar, client.namespace, namespace, host)


def _matches(match: StringMatch | HeaderMatch, value: str | None) -> bool:
    if value is None:
        return False
    if match.kind is MatchKind.EXACT:
        return value == match.value
    return match.kind is not MatchKind.PREFIX or value.startswith(match.value)


def _condition(match: StringMatch | HeaderMatch) -> str:
    verbs = {MatchKind.EXACT: "is", MatchKind.PREFIX: "starts with", MatchKind.REGEX: "matches"}
    return f"{verbs[match.kind]} {match.value!r}" if match.kind in verbs else "is present"
