"""Which routes an HTTP request may take.

Source: Envoy's RouteMatcher::findVirtualHost and the matches of RouteEntryImplBase.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from egress_server.domain.istio.regex import matches_regex
from egress_server.domain.live.config import Json
from egress_server.domain.live.decision import Question
from egress_server.domain.live.matchers import (
    all_of,
    fraction,
    matches_header,
    matches_query,
)


@dataclass(frozen=True, slots=True)
class RouteCandidate:
    """A route that the request takes with this share, or may take if its match is `undecided`."""

    virtual_host: Json
    route: Json
    share: float
    undecided: tuple[str, ...] = ()


def candidates(table: Json, manager: Json, question: Question) -> Sequence[RouteCandidate]:
    """The routes of a request, in order; nothing if no route matches. `manager` is the connection manager, which
    changes host and path before they are matched."""
    virtual_host = find_virtual_host(table, manager, question)
    if virtual_host is None:
        return ()
    if unknown := virtual_host.keys() & {"matcher"}:
        return (RouteCandidate(virtual_host, {}, 1.0, tuple(f"virtual host {name}" for name in unknown)),)
    return tuple(_routes(virtual_host, {**question.request_headers, ":path": normal_path(question, manager)}))


def find_virtual_host(table: Json, manager: Json, question: Question) -> Json | None:
    """The virtual host of a request; None if there is none."""
    return _closest_host(table.get("virtual_hosts", ()), _host(question, table, manager))


def normal_path(question: Question, manager: Json) -> str:
    """The path that routes are matched with, with its query."""
    path, mark, query = (question.destination.path or "/").partition("?")
    if manager.get("normalize_path"):
        path = _without_dots(path.replace("\\", "/"))
    if manager.get("merge_slashes"):
        path = re.sub("/+", "/", path)
    return f"{path}{mark}{query}"


def _without_dots(path: str) -> str:
    """Without dot segments (RFC 3986, section 5.2.4); `%2e` counts as a dot."""
    segments = path.split("/")
    kept: list[str] = []
    for at, segment in enumerate(segments):
        plain = segment.lower().replace("%2e", ".")
        if plain not in {".", ".."}:
            kept.append(segment)
            continue
        if plain == ".." and len(kept) > 1:
            kept.pop()
        if at == len(segments) - 1:
            kept.append("")
    return "/".join(kept)


def _host(question: Question, table: Json, manager: Json) -> str:
    host, port = question.authority.lower(), ""
    if with_port := re.fullmatch(r"(.*?):(\d+)", host):
        bare, port = with_port.groups()
        own = int(port) == question.destination.port and manager.get("strip_matching_host_port")
        if table.get("ignore_port_in_host_matching") or manager.get("strip_any_host_port") or own:
            host = bare
    return host.removesuffix(".") if manager.get("strip_trailing_host_dot") else host


def _closest_host(virtual_hosts: Sequence[Json], host: str) -> Json | None:
    """The one with the most specific domain: exact, the longest suffix, the longest prefix, any."""
    best: tuple[tuple[int, int], Json | None] = ((0, 0), None)
    for virtual_host in virtual_hosts:
        for domain in virtual_host.get("domains", ()):
            specificity = _specificity(str(domain).lower(), host)
            if specificity > best[0]:
                best = specificity, virtual_host
    return best[1]


def _specificity(domain: str, host: str) -> tuple[int, int]:
    if domain == "*":
        return 1, 0
    if domain == host:
        return 4, 0
    # A wildcard takes the place of at least one character.
    if domain.startswith("*") and len(host) >= len(domain) and host.endswith(domain[1:]):
        return 3, len(domain)
    if domain.endswith("*") and len(host) >= len(domain) and host.startswith(domain[:-1]):
        return 2, len(domain)
    return 0, 0


def _routes(virtual_host: Json, headers: Mapping[str, str]) -> Iterator[RouteCandidate]:
    left = 1.0
    for route in virtual_host.get("routes", ()):
        match = route.get("match", {})
        verdict = _matches(match, headers)
        if verdict is False:
            continue
        share = (
            left * fraction(match["runtime_fraction"].get("default_value", {})) if "runtime_fraction" in match else left
        )
        if share <= 0:
            continue
        if verdict is None:
            yield RouteCandidate(virtual_host, route, share, tuple(_unknown(match, headers)))
            continue
        yield RouteCandidate(virtual_host, route, share)
        left -= share
        if left <= 0:
            return


_PATH_FIELDS = ("prefix", "path", "safe_regex", "path_separated_prefix", "connect_matcher")
_FIELDS = {*_PATH_FIELDS, "case_sensitive", "headers", "query_parameters", "runtime_fraction", "grpc"}


def _matches(match: Json, headers: Mapping[str, str]) -> bool | None:
    return all_of(verdict for _, verdict in _verdicts(match, headers))


def _unknown(match: Json, headers: Mapping[str, str]) -> Iterator[str]:
    return (f"route match {name}" for name, verdict in _verdicts(match, headers) if verdict is None)


def _verdicts(match: Json, headers: Mapping[str, str]) -> Iterator[tuple[str, bool | None]]:
    path = headers[":path"]
    yield next((name for name in _PATH_FIELDS if name in match), "path"), _matches_path(match, path, headers[":method"])
    for each in match.get("headers", ()):
        yield f"headers: {each.get('name')}", matches_header(each, headers)
    for each in match.get("query_parameters", ()):
        yield f"query_parameters: {each.get('name')}", matches_query(each, path)
    if "grpc" in match:
        yield "grpc", headers.get("content-type", "").startswith("application/grpc")
    for name in sorted(match.keys() - _FIELDS):
        yield name, None


def _matches_path(match: Json, path: str, method: str) -> bool | None:
    if "connect_matcher" in match:
        return method == "CONNECT"
    if method == "CONNECT":
        return None
    fold = str if match.get("case_sensitive", True) else str.lower
    path = fold(path.partition("?")[0])
    if "prefix" in match:
        return path.startswith(fold(match["prefix"]))
    if "path" in match:
        return path == fold(match["path"])
    if "path_separated_prefix" in match:
        prefix = fold(match["path_separated_prefix"])
        return path == prefix or path.startswith(f"{prefix}/")
    if "safe_regex" in match:
        return matches_regex(str(match["safe_regex"].get("regex", "")), path)
    return None
