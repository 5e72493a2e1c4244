"""What a connection manager does with a request."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from egress_server.domain.live.clusters import find_upstream
from egress_server.domain.live.config import Json, SidecarConfig, source_of
from egress_server.domain.live.decision import LiveUpstream, MatchedRoute, Question, RouteFault
from egress_server.domain.live.faults import find_fault, seconds
from egress_server.domain.live.routes import RouteCandidate, candidates, find_virtual_host, normal_path

# Filters that let every request pass, or are evaluated here (fault, router).
_KNOWN = frozenset(
    {
        *("envoy.filters.http.alternate_protocols_cache", "envoy.filters.http.cors"),
        *("envoy.filters.http.dynamic_forward_proxy", "envoy.filters.http.fault", "envoy.filters.http.grpc_stats"),
        *("envoy.filters.http.grpc_web", "envoy.filters.http.router", "envoy.filters.http.set_filter_state"),
        *("istio.alpn", "istio.metadata_exchange", "istio.stats"),
    }
)
VIRTUAL_SERVICE = "virtual-service"
_EPSILON = 1e-9
_REDIRECTS = {"FOUND": 302, "SEE_OTHER": 303, "TEMPORARY_REDIRECT": 307, "PERMANENT_REDIRECT": 308}


@dataclass(frozen=True, slots=True)
class HttpPath:
    """One way that requests go: `share` (0 to 1) of them by `route`, and from there to these upstreams, whose shares
    are of all requests."""

    share: float
    route: MatchedRoute
    upstreams: tuple[LiveUpstream, ...] = ()


@dataclass(frozen=True, slots=True)
class HttpRouting:
    """Where a request goes. If something is undecided, all paths that are possible."""

    paths: tuple[HttpPath, ...]
    undecided: tuple[str, ...] = ()


def route_request(config: SidecarConfig, manager: Json, question: Question) -> HttpRouting:
    """Where the connection manager sends a request. A request without a route is answered with 404."""
    undecided = list(_unknown_filters(manager, question))
    if "route_config" in manager:
        table = manager["route_config"]
    elif "rds" in manager:
        name = manager["rds"].get("route_config_name", "")
        if name not in config.routes:
            return HttpRouting((), (*undecided, f"routes {name} are missing"))
        table = config.routes[name]
    else:
        return HttpRouting((), (*undecided, "scoped_routes"))
    paths = []
    found = candidates(table, manager, question)
    for candidate in found:
        path, unknown = _path(config, table, manager, candidate, question)
        undecided += (*candidate.undecided, *unknown)
        paths.append(path)
    left = 1 - sum(candidate.share for candidate in found if not candidate.undecided)
    if left > _EPSILON:
        paths.append(HttpPath(left, _missing(table, manager, question)))
    return HttpRouting(tuple(paths), tuple(dict.fromkeys(undecided)))


def _missing(table: Json, manager: Json, question: Question) -> MatchedRoute:
    """What a request gets for which there is no route."""
    virtual_host = find_virtual_host(table, manager, question) or {}
    owners = (source_of(route, VIRTUAL_SERVICE) for route in virtual_host.get("routes", ()))
    return MatchedRoute(
        table=str(table.get("name", "")),
        virtual_host=str(virtual_host.get("name", "")),
        owner=next(filter(None, owners), ""),
        status=404,
        missing=True,
    )


def _unknown_filters(manager: Json, question: Question) -> Iterator[str]:
    for each in manager.get("http_filters", ()):
        name = str(each.get("name", ""))
        if name not in _KNOWN and not each.get("disabled"):
            yield f"HTTP filter {name}"
    action = manager.get("path_with_escaped_slashes_action", "KEEP_UNCHANGED")
    escaped = any(text in question.destination.path.lower() for text in ("%2f", "%5c"))
    if escaped and action not in {"KEEP_UNCHANGED", "IMPLEMENTATION_SPECIFIC_DEFAULT"}:
        yield "path_with_escaped_slashes_action"


def _path(
    config: SidecarConfig, table: Json, manager: Json, candidate: RouteCandidate, question: Question
) -> tuple[HttpPath, Sequence[str]]:
    route, virtual_host = candidate.route, candidate.virtual_host
    action = route.get("route", {})
    headers = {**question.request_headers, ":path": normal_path(question, manager)}
    upstreams = tuple(_upstreams(config, action, question, candidate.share))
    # Envoy chooses a weighted cluster before the filters run, and their configuration there is the most specific.
    weighted = action.get("weighted_clusters", {}).get("clusters", ())
    undecided = [
        f"per-filter configuration of {each['name']}" for each in weighted if "typed_per_filter_config" in each
    ]
    own = next((f.get("typed_config", {}) for f in manager.get("http_filters", ()) if _is_fault(f)), None)
    fault: RouteFault | None = None
    if own is not None:
        cluster = str(action.get("cluster", ""))
        fault, unknown = find_fault((route, virtual_host, table), own, cluster, headers)
        undecided += unknown
    status, location = _own_answer(route, virtual_host)
    if route and not (status or action):
        undecided.append(f"route action {', '.join(sorted(route.keys() - {'match', 'metadata', 'name'}))}")
    if virtual_host.get("require_tls") == "EXTERNAL_ONLY":
        undecided.append("require_tls")
    live = MatchedRoute(
        table=str(table.get("name", "")),
        virtual_host=str(virtual_host.get("name", "")),
        name=str(route.get("name", "")),
        owner=source_of(route, VIRTUAL_SERVICE),
        status=status,
        location=location,
        fault=fault,
        timeout=seconds(action["timeout"]) if "timeout" in action else None,
        retries=int(action.get("retry_policy", {}).get("num_retries", 1 if "retry_policy" in action else 0)),
        rewritten_host=str(action.get("host_rewrite_literal", "")),
    )
    return HttpPath(candidate.share, live, () if status else upstreams), undecided


def _is_fault(http_filter: Json) -> bool:
    return bool(http_filter.get("name") == "envoy.filters.http.fault")


def _own_answer(route: Json, virtual_host: Json) -> tuple[int, str]:
    """Status and location of an answer by the sidecar itself; 0 if it forwards."""
    if virtual_host.get("require_tls") == "ALL":
        return 301, "https"
    if "direct_response" in route:
        return int(route["direct_response"].get("status", 0)), ""
    if "redirect" in route:
        redirect = route["redirect"]
        location = redirect.get("host_redirect", "") + redirect.get("path_redirect", redirect.get("prefix_rewrite", ""))
        return _REDIRECTS.get(str(redirect.get("response_code", "")), 301), str(location)
    return 0, ""


def _upstreams(config: SidecarConfig, action: Json, question: Question, share: float) -> Iterator[LiveUpstream]:
    if "cluster" in action:
        yield find_upstream(config, str(action["cluster"]), share, question)
    elif "cluster_header" in action:
        name = question.request_headers.get(str(action["cluster_header"]).lower(), "")
        yield find_upstream(config, name, share, question)
    elif "weighted_clusters" in action:
        yield from weighted_upstreams(config, action["weighted_clusters"], share, question)


def weighted_upstreams(
    config: SidecarConfig, weighted: Json, share: float, question: Question
) -> Iterator[LiveUpstream]:
    """The clusters of a route or a TCP proxy by weight, which together get `share`."""
    clusters = [(each, int(each.get("weight", 0))) for each in weighted.get("clusters", ())]
    total = sum(weight for _, weight in clusters)
    for each, weight in clusters:
        if weight:
            yield find_upstream(config, str(each.get("name", "")), share * weight / total, question)
