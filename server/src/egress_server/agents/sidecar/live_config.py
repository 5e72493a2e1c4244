"""The sidecar's live listener of a connection: whether it sees requests in it, as `/config_dump` tells.

Routes alone don't say so: they are listed for a while after nothing uses them any more, and connections to an address
or a range that a TCP service has come before them.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any
from urllib.parse import quote

import orjson

from egress_server.domain.probe.evidence import Destination, LiveFault

Json = Mapping[str, Any]

_MANAGER = "envoy.filters.network.http_connection_manager"
_ANY = ("0.0.0.0", "::", "[::]")


def listeners_page(address: str, port: int) -> str:
    """Where the admin interface tells of the listeners that a connection to there may land on."""
    names = "|".join(map(re.escape, (address, *_ANY)))
    return f"/config_dump?resource=dynamic_listeners&name_regex={quote(f'^({names})_{port}$')}"


def sees_requests(page: bytes, address: str, port: int) -> bool:
    """Whether plain HTTP to `address` is read as such. Raises ValueError where the page is none of listeners."""
    try:
        active = {
            item["name"]: item["active_state"]["listener"]
            for item in orjson.loads(page).get("configs", ())
            if "active_state" in item
        }
        names = (f"{each}_{port}" for each in (address, *_ANY))
        listener: Json = next((active[name] for name in names if name in active), {})
        return any(each["name"] == _MANAGER for chain in _taking(listener, address) for each in chain["filters"])
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"not a page of listeners: {error!r}") from error


def _taking(listener: Json, address: str) -> list[Json]:
    """The filter chains for the address: those of the narrowest range that has it, else those without ranges."""
    chains = [(_width(chain, address), chain) for chain in _chains(listener)]
    narrowest = max((width for width, _ in chains if width is not None), default=None)
    return [chain for width, chain in chains if width is not None and width == narrowest]


def _chains(listener: Json) -> Iterator[Json]:
    yield from listener.get("filter_chains", ())
    if "default_filter_chain" in listener:
        yield listener["default_filter_chain"]


def _width(chain: Json, address: str) -> int | None:
    """Bits of the narrowest range of the chain that has the address; -1 where it has no ranges, None where none has."""
    ranges = chain.get("filter_chain_match", {}).get("prefix_ranges", ())
    if not ranges:
        return -1
    its = ip_address(address)
    networks = (ip_network(f"{each['address_prefix']}/{each.get('prefix_len', 0)}", strict=False) for each in ranges)
    return max((network.prefixlen for network in networks if its in network), default=None)


_FAULT_FILTER = "envoy.filters.http.fault"
# Conditions that are no conditions: they say how the path is compared.
_HARMLESS = frozenset({"prefix", "path", "path_separated_prefix", "case_sensitive", "headers"})


@dataclass(frozen=True, slots=True)
class LiveRoute:
    """What the routes that a request may take have: faults, and the Envoy clusters that they lead to. `found` is
    whether there are any; on a port without them the sidecar sees no requests."""

    faults: tuple[LiveFault, ...] = ()
    clusters: tuple[str, ...] = ()
    found: bool = False


def live_route(page: bytes, destination: Destination, headers: Mapping[str, str]) -> LiveRoute:
    """The route of a request, of a page of dynamic route configurations; `headers` are by lower-case name.

    Raises ValueError where the page is none.
    """
    try:
        found = [item["route_config"] for item in orjson.loads(page).get("configs", ())]
        routes = [route for config in found for route in _candidates(config, destination, headers)]
        faults = [fault for route in routes if (fault := _fault(route))]
        clusters = dict.fromkeys(cluster for route in routes for cluster in _clusters(route))
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"not a page of route configurations: {error!r}") from error
    return LiveRoute(tuple(faults), tuple(clusters), bool(routes))


def _candidates(config: Json, destination: Destination, headers: Mapping[str, str]) -> Iterator[Json]:
    """The routes of the host that the request may take, in order."""
    for route in _routes(config.get("virtual_hosts", ()), destination):
        fits = _fits(route.get("match", {}), destination.path, headers)
        if fits is not False:
            yield route
        if fits:
            return


def _routes(virtual_hosts: Sequence[Json], destination: Destination) -> Sequence[Json]:
    """The routes of the virtual host with the closest domain: exact, then the longest wildcard."""
    names = {destination.host.lower(), destination.authority.lower(), f"{destination.host.lower()}:{destination.port}"}
    best: tuple[tuple[int, int], Sequence[Json]] = ((0, 0), ())
    for virtual_host in virtual_hosts:
        for domain in virtual_host.get("domains", ()):
            closeness = max(_closeness(domain.lower(), name) for name in names)
            if closeness > best[0]:
                best = closeness, virtual_host.get("routes", ())
    return best[1]


def _closeness(domain: str, name: str) -> tuple[int, int]:
    """How well a domain fits a name, in Envoy's order; nothing is above (0, 0) that does not."""
    if domain == name:
        return 4, 0
    if domain == "*":
        return 1, 0
    if domain.startswith("*") and name.endswith(domain[1:]):
        return 3, len(domain)
    if domain.endswith("*") and name.startswith(domain[:-1]):
        return 2, len(domain)
    return 0, 0


def _fits(match: Json, path: str, headers: Mapping[str, str]) -> bool | None:
    """Whether a route takes the request; None where we can't say."""
    verdicts = [
        _path_fits(match, path.partition("?")[0]),
        *(_header_fits(h, headers) for h in match.get("headers", ())),
    ]
    if False in verdicts:
        return False
    return None if None in verdicts or match.keys() - _HARMLESS else True


def _path_fits(match: Json, path: str) -> bool | None:
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


def _header_fits(condition: Json, headers: Mapping[str, str]) -> bool | None:
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
    """NAMESPACE/NAME out of .../namespaces/NAMESPACE/virtual-service/NAME."""
    config = route.get("metadata", {}).get("filter_metadata", {}).get("istio", {}).get("config", "")
    match config.split("/"):
        case [*_, "namespaces", namespace, "virtual-service", name]:
            return f"{namespace}/{name}"
    return ""


def _clusters(route: Json) -> Iterator[str]:
    """Those of registered services; all the rest shares one cluster."""
    action = route.get("route", {})
    weighted = action.get("weighted_clusters", {}).get("clusters", ())
    names = [action.get("cluster", ""), *(one["name"] for one in weighted)]
    yield from (name for name in names if name.startswith("outbound|"))
