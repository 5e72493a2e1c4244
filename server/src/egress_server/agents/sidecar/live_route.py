"""What the sidecar's configuration says about an attempt, as a part of the evidence."""

from dataclasses import dataclass

from egress_server.domain.live.decision import LiveDecision, LiveUpstream, MatchedRoute
from egress_server.domain.probe.evidence import LiveFault, TlsCluster


@dataclass(frozen=True, slots=True)
class LiveRoute:
    """The routes that a request may take: their faults, the Envoy clusters of registered services that they lead to,
    the VirtualServices that they come from, and the statuses that those answer with directly, 404 if a VirtualService
    has no route for it. `found` is whether the sidecar reads requests; if it does not, none of these is known.

    Of the clusters that the connection may get to, `unknown` don't exist, `warming` are not active yet, `empty` have no
    usable address, and to the hosts of `tls` the sidecar itself starts TLS. For those of `resolving` it looks up the
    host that the connection names.
    """

    faults: tuple[LiveFault, ...] = ()
    clusters: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()
    answers: tuple[int, ...] = ()
    found: bool = False
    unknown: tuple[str, ...] = ()
    warming: tuple[str, ...] = ()
    empty: tuple[str, ...] = ()
    tls: tuple[TlsCluster, ...] = ()
    resolving: tuple[str, ...] = ()


def live_route(decision: LiveDecision) -> LiveRoute:
    """The evidence in a decision."""
    services = [upstream for upstream in decision.upstreams if upstream.host]
    owned = [route for route in decision.routes if route.owner]
    return LiveRoute(
        faults=tuple(fault for route in decision.routes if (fault := _fault(route))),
        clusters=tuple(upstream.cluster for upstream in services) if decision.sees_requests else (),
        owners=tuple(dict.fromkeys(route.owner for route in owned)),
        answers=tuple(dict.fromkeys(route.status for route in owned if route.status)),
        found=decision.sees_requests,
        unknown=_of_cause(services, "UNKNOWN_CLUSTER"),
        warming=_of_cause(services, "CLUSTER_WARMING"),
        empty=_of_cause(services, "NO_UPSTREAM_ADDRESS"),
        tls=tuple(TlsCluster(each.cluster, each.destination_rule) for each in services if each.originates_tls),
        resolving=tuple(upstream.cluster for upstream in decision.upstreams if upstream.resolves_host),
    )


def _of_cause(upstreams: list[LiveUpstream], cause: str) -> tuple[str, ...]:
    return tuple(upstream.cluster for upstream in upstreams if upstream.cause == cause)


def _fault(route: MatchedRoute) -> LiveFault | None:
    if route.fault is None:
        return None
    return LiveFault(
        route=route.name,
        virtual_service=route.owner,
        delay=route.fault.delay,
        http_status=route.fault.http_status,
        grpc_status=route.fault.grpc_status,
    )
