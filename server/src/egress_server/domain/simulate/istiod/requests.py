"""An HTTP request as VirtualServices see it, and whether it satisfies their conditions."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from egress_server.domain.istio.regex import matches_regex
from egress_server.domain.istio.virtual_service import (
    MESH_GATEWAY,
    ConnectionMatch,
    NamedMatch,
    RequestMatch,
)
from egress_server.domain.model.resources import MatchKind, StringMatch
from egress_server.domain.model.selectors import Labels
from egress_server.domain.probe.evidence import Destination

Decided = bool | None
"""None if only the sidecar can decide it, as for regular expressions that Python's `re` may read differently."""


@dataclass(frozen=True, slots=True)
class Request:
    """A connection that a workload makes. `address` is the IP address that it dials, empty if unknown; `method` and
    `headers` are those of its request."""

    destination: Destination
    namespace: str
    labels: Labels = field(default_factory=dict)
    address: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "GET"

    @property
    def authority(self) -> str:
        """The value of its Host header."""
        given = (value for name, value in self.headers.items() if name.lower() == "host")
        return next(given, self.destination.authority)


def source_matches(match: RequestMatch | ConnectionMatch, request: Request, port: int) -> bool:
    """Whether a match is for this workload and port: istiod leaves it out of what others get."""
    if match.port not in {0, port}:
        return False
    if isinstance(match, RequestMatch) and match.gateways:
        return MESH_GATEWAY in match.gateways
    if match.gateways and MESH_GATEWAY not in match.gateways:
        return False
    if not match.source_labels.items() <= request.labels.items():
        return False
    return match.source_namespace in {"", request.namespace}


def request_matches(match: RequestMatch, request: Request) -> Decided:
    """Whether a request satisfies the conditions that the sidecar checks."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    whole_path = request.destination.path or "/"
    headers |= {":authority": request.authority, ":method": request.method, ":scheme": "http", ":path": whole_path}
    path, _, query = whole_path.partition("?")
    params = dict(reversed(parse_qsl(query, keep_blank_values=True)))
    fold = match.ignore_uri_case
    return _all(
        (
            _satisfies(match.uri, path, fold=fold),
            _satisfies(match.scheme, headers[":scheme"]),
            _satisfies(match.method, request.method),
            _satisfies(match.authority, request.authority),
            *(_has(each, headers) for each in match.headers),
            *(_lacks(each, headers) for each in match.without_headers),
            *(_has(each, params) for each in match.query_params),
        )
    )


def _has(condition: NamedMatch, values: Mapping[str, str]) -> Decided:
    value = values.get(condition.name)
    return False if value is None else _satisfies(condition.match, value)


def _lacks(condition: NamedMatch, values: Mapping[str, str]) -> Decided:
    """A missing header counts as an empty one, unless its presence is the condition."""
    if condition.match.kind is MatchKind.PRESENT:
        return condition.name not in values
    satisfied = _satisfies(condition.match, values.get(condition.name, ""))
    return None if satisfied is None else not satisfied


def _satisfies(match: StringMatch | None, text: str, *, fold: bool = False) -> Decided:
    if match is None or match.kind is MatchKind.PRESENT:
        return True
    if match.kind is MatchKind.REGEX:
        return matches_regex(match.value, text)
    value = match.value
    if fold:
        value, text = value.lower(), text.lower()
    return text == value if match.kind is MatchKind.EXACT else text.startswith(value)


def _all(results: Iterable[Decided]) -> Decided:
    found = set(results)
    return False if False in found else None if None in found else True
