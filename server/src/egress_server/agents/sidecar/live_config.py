"""The sidecar's live listener and route for a connection, from `/config_dump`: whether it sees requests, which faults
apply, and where they are routed.

Routes alone don't tell whether requests are seen: they are listed for a while after they fell out of use, and
connections to an address or a range of a TCP service never get to them. Routes are tried in order, and the first that
matches is used. If only Envoy can evaluate a match (a regular expression, an unknown condition), that route and all
after it are possible.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any
from urllib.parse import quote

import orjson

from egress_server.domain.probe.evidence import Destination, LiveFault, TlsCluster

Json = Mapping[str, Any]

_MANAGER = "envoy.filters.network.http_connection_manager"
_ANY = ("0.0.0.0", "::", "[::]")


def listeners_page(address: str, port: int) -> str:
    """The admin page with the listeners that may get a connection to there."""
    names = "|".join(map(re.escape, (address, *_ANY)))
    return f"/config_dump?resource=dynamic_listeners&name_regex={quote(f'^({names})_{port}$')}"


def sees_requests(page: bytes, address: str, port: int) -> bool:
    """Whether plain HTTP to `address` is parsed as such. Raises ValueError if it is not a page of listeners."""
    try:
        active = {
            item["name"]: item["active_state"]["listener"]
            for item in orjson.loads(page).get("configs", ())
            if "active_state" in item
        }
        names = (f"{each}_{port}" for each in (address, *_ANY))
        listener: Json = next((active[name] for name in names if name in active), {})
        return any(each["name"] == _MANAGER for chain in _chains_for(listener, address) for each in chain["filters"])
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"not a list of listeners: {error!r}") from error


def _chains_for(listener: Json, address: str) -> list[Json]:
    """The filter chains for the address: those of the narrowest range that contains it, else those without ranges."""
    chains = [(_width(chain, address), chain) for chain in _chains(listener)]
    narrowest = max((width for width, _ in chains if width is not None), default=None)
    return [chain for width, chain in chains if width is not None and width == narrowest]


def _chains(listener: Json) -> Iterator[Json]:
    yield from listener.get("filter_chains", ())
    if "default_filter_chain" in listener:
        yield listener["default_filter_chain"]


def _width(chain: Json, address: str) -> int | None:
    """Prefix length of the chain's narrowest range that contains the address; -1 if it has no ranges, None if none
    contains it."""
    ranges = chain.get("filter_chain_match", {}).get("prefix_ranges", ())
    if not ranges:
        return -1
    ip = ip_address(address)
    networks = (ip_network(f"{each['address_prefix']}/{each.get('prefix_len', 0)}", strict=False) for each in ranges)
    return max((network.prefixlen for network in networks if ip in network), default=None)


_TLS_SOCKET = "envoy.transport_sockets.tls"
_FAULT_FILTER = "envoy.filters.http.fault"
# The parts of a match that are evaluated here.
_EVALUATED = frozenset({"prefix", "path", "path_separated_prefix", "case_sensitive", "headers"})


_REDIRECTS = {"FOUND": 302, "SEE_OTHER": 303, "TEMPORARY_REDIRECT": 307, "PERMANENT_REDIRECT": 308}
"""Statuses by Envoy's names; without one it is 301."""


@dataclass(frozen=True, slots=True)
class LiveRoute:
    """The routes that a request may take: their faults, the Envoy clusters that they lead to, the VirtualServices that
    they come from, and the statuses that they answer with directly, 404 if the VirtualService has no route for it.
    `found` is whether there are any; on a port without routes the sidecar sees no requests."""

    faults: tuple[LiveFault, ...] = ()
    clusters: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()
    answers: tuple[int, ...] = ()
    found: bool = False


def live_route(page: bytes, destination: Destination, headers: Mapping[str, str]) -> LiveRoute:
    """The route of a request, from a page of dynamic route configurations; `headers` are by lower-case name.

    Raises ValueError if it is not such a page.
    """
    try:
        found = [item["route_config"] for item in orjson.loads(page).get("configs", ())]
        by_host = [_routes(config.get("virtual_hosts", ()), destination) for config in found]
        taken = [list(_candidates(routes, destination, headers)) for routes in by_host]
        routes = [route for candidates in taken for route in candidates]
        # Without a route for the request, the host's other routes tell whose it would be.
        missed = [owner for all_, some in zip(by_host, taken, strict=True) if not some for owner in map(_owner, all_)]
        answers = [status for route in routes if _owner(route) and (status := _answer(route))]
        return LiveRoute(
            faults=tuple(fault for route in routes if (fault := _fault(route))),
            clusters=tuple(dict.fromkeys(cluster for route in routes for cluster in _clusters(route))),
            owners=tuple(dict.fromkeys(filter(None, (*map(_owner, routes), *missed)))),
            answers=(*answers, *([404] if any(missed) else [])),
            found=bool(routes) or bool(missed),
        )
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"not a list of route configurations: {error!r}") from error


def _answer(route: Json) -> int:
    """The status with which a route answers directly; 0 if it does not."""
    if "direct_response" in route:
        return int(route["direct_response"]["status"])
    if "redirect" in route:
        return _REDIRECTS.get(route["redirect"].get("response_code", ""), 301)
    return 0


def tls_clusters(page: bytes) -> tuple[TlsCluster, ...]:
    """The clusters on a page of dynamic clusters to which the sidecar starts TLS. Raises ValueError."""
    try:
        found = [item["cluster"] for item in orjson.loads(page).get("configs", ())]
        return tuple(
            TlsCluster(cluster["name"], _source(cluster, "destination-rule"))
            for cluster in found
            if cluster.get("transport_socket", {}).get("name") == _TLS_SOCKET
        )
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"not a list of clusters: {error!r}") from error


def _candidates(routes: Sequence[Json], destination: Destination, headers: Mapping[str, str]) -> Iterator[Json]:
    """The routes that the request may take, in order."""
    for route in routes:
        matches = _matches(route.get("match", {}), destination.path, headers)
        if matches is not False:
            yield route
        if matches:
            return


def _routes(virtual_hosts: Sequence[Json], destination: Destination) -> Sequence[Json]:
    """The routes of the virtual host with the most specific domain: exact, then the longest wildcard."""
    names = {destination.host.lower(), destination.authority.lower(), f"{destination.host.lower()}:{destination.port}"}
    best: tuple[tuple[int, int], Sequence[Json]] = ((0, 0), ())
    for virtual_host in virtual_hosts:
        for domain in virtual_host.get("domains", ()):
            specificity = max(_specificity(domain.lower(), name) for name in names)
            if specificity > best[0]:
                best = specificity, virtual_host.get("routes", ())
    return best[1]


def _specificity(domain: str, name: str) -> tuple[int, int]:
    """How well a domain matches a name, in Envoy's order; (0, 0) if it does not."""
    if domain == name:
        return 4, 0
    if domain == "*":
        return 1, 0
    if domain.startswith("*") and name.endswith(domain[1:]):
        return 3, len(domain)
    if domain.endswith("*") and name.startswith(domain[:-1]):
        return 2, len(domain)
    return 0, 0


def _matches(match: Json, path: str, headers: Mapping[str, str]) -> bool | None:
    """Whether a route matches the request; None if that can't be determined."""
    verdicts = [
        _path_matches(match, path.partition("?")[0]),
        *(_header_matches(h, headers) for h in match.get("headers", ())),
    ]
    if False in verdicts:
        return False
    return None if None in verdicts or match.keys() - _EVALUATED else True


def _path_matches(match: Json, path: str) -> bool | None:
    fold = str if match.get("case_sensitive", True) else str.lower
    path = fold(path)
    if "prefix" in match:
        return path.startswith(fold(match["prefix"]))
    if "path" in match:
        return path == fold(match["path"])
    if "path_separated_prefix" in match:
        prefix = fold(match["path_separated_prefix"])
        return path == prefix or path.startswith(f"{prefix}/")
    return None


def _header_matches(condition: Json, headers: Mapping[str, str]) -> bool | None:
    value = headers.get(condition["name"].lower())
    if condition.keys() - {"name", "present_match", "string_match"}:
        return None
    if "string_match" not in condition:
        return bool((value is not None) == condition.get("present_match", True))
    if value is None:
        return False
    match condition["string_match"]:
        case {"exact": exact, **rest} if not rest:
            return bool(value == exact)
        case {"prefix": prefix, **rest} if not rest:
            return value.startswith(str(prefix))
    return None


def _fault(route: Json) -> LiveFault | None:
    fault = route.get("typed_per_filter_config", {}).get(_FAULT_FILTER)
    if not fault:
        return None
    delay, abort = fault.get("delay", {}), fault.get("abort", {})
    return LiveFault(
        route=route.get("name", ""),
        virtual_service=_owner(route),
        delay=float(delay.get("fixed_delay", "0s").rstrip("s")),
        http_status=int(abort.get("http_status", 0)),
        grpc_status=int(abort["grpc_status"]) if "grpc_status" in abort else None,
    )


def _owner(route: Json) -> str:
    return _source(route, "virtual-service")


def _source(config: Json, kind: str) -> str:
    """NAMESPACE/NAME of the Istio object of a kind that a piece of configuration comes from, in
    .../namespaces/NAMESPACE/KIND/NAME; empty if it is none."""
    path = config.get("metadata", {}).get("filter_metadata", {}).get("istio", {}).get("config", "")
    match path.split("/"):
        case [*_, "namespaces", namespace, found, name] if found == kind:
            return f"{namespace}/{name}"
    return ""


def _clusters(route: Json) -> Iterator[str]:
    """Those of registered services; everything else shares one cluster."""
    action = route.get("route", {})
    weighted = action.get("weighted_clusters", {}).get("clusters", ())
    names = [action.get("cluster", ""), *(one["name"] for one in weighted)]
    yield from (name for name in names if name.startswith("outbound|"))
