"""Istio's VirtualService to a fault: what people inject faults with today goes in unchanged.

A fault disturbs requests and lets them go where they went. A VirtualService can do much more, and what is more is
refused by its path: taken over in part, it would do something else than its author reads in it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain

from egress_server.domain.model.resources import Abort, Delay, Fault, HeaderMatch, Labels, MatchKind
from egress_server.domain.validate import Problems
from egress_server.formats.fields import Fields
from egress_server.formats.service_entry import read_object

_NO_PERCENT = "Istio reads a missing percentage as never; set percentage 100 to mean always"
_SHARE, _SHARE_OLD = "percentage.value", "percent"
_VALUED = (MatchKind.EXACT, MatchKind.PREFIX, MatchKind.REGEX)


@dataclass(frozen=True, slots=True)
class ParsedFault:
    """A fault as written, its values not yet checked. `id` and `namespace` are empty where the YAML does not say; the
    fault itself has no name and no ttl yet. `places` are paths in the YAML by path of the fault."""

    id: str
    namespace: str
    fault: Fault
    places: Mapping[str, str]

    def yaml_path(self, field: str) -> str:
        """Where in the YAML a path of the fault stands."""
        known = [place for place in self.places if field == place or field.startswith((f"{place}.", f"{place}["))]
        nearest = max(known, key=len, default="")
        return self.places[nearest] + field[len(nearest) :] if nearest else f"spec.{field}"


@dataclass(frozen=True, slots=True)
class _Match:
    """One match block: its conditions, and the port (0 for any) it holds them for."""

    port: int
    headers: tuple[HeaderMatch, ...]
    source_labels: Labels
    source_namespace: str

    @property
    def conditions(self) -> object:
        """What it asks for besides the port; the order of headers says nothing."""
        return sorted((h.name, h.kind.value, h.value) for h in self.headers), self.source_labels, self.source_namespace


def parse_fault(text: str, problems: Problems) -> ParsedFault | None:
    """The fault in the VirtualService in `text`; adds to `problems` what can't be read or kept, and gives None where
    nothing can be read.

    Raises YamlError where the text is no YAML we read.
    """
    parts = read_object(text, "VirtualService", problems)
    if parts is None:
        return None
    metadata, spec = parts
    host = _host(spec)
    routes = list(spec.children("http"))
    for name in ("tcp", "tls"):
        spec.refuse(name, "a fault works on HTTP requests only; remove it")
    spec.refuse_rest()
    index = _faulty(routes, spec.problems.at("http"))
    if index is None:
        return None
    _check_fallbacks(routes, index, host)
    fault, places = _read_fault(routes[index], host, f"spec.http[{index}]")
    return ParsedFault(metadata.text("name"), metadata.text("namespace"), fault, places)


def _host(spec: Fields) -> str:
    hosts = spec.texts("hosts")
    if len(hosts) != 1:
        spec.problems.at("hosts").add(f"has {len(hosts)}; a fault is for exactly one host")
    for index, gateway in enumerate(spec.texts("gateways")):
        if gateway != "mesh":
            spec.problems.at("gateways", index).add(
                "a fault is for workloads of the mesh, not for a gateway; remove it"
            )
    if spec.texts("exportTo") not in {(), ("*",)}:
        spec.problems.at("exportTo").add("a fault is for every namespace; limit it by sourceNamespace in a match")
    return hosts[0].lower() if hosts else ""


def _faulty(routes: list[Fields], problems: Problems) -> int | None:
    """Position of the one route with a fault."""
    found = [index for index, route in enumerate(routes) if route.has("fault")]
    if not found:
        problems.add("no route carries a fault")
        return None
    for index in found[1:]:
        problems.at(index, "fault").add(f"http[{found[0]}] carries a fault as well; inject one fault at a time")
    return found[0]


def _check_fallbacks(routes: list[Fields], faulty: int, host: str) -> None:
    """Beside the fault only what is always there anyway may stand: a last route for all other requests."""
    for index, route in enumerate(routes):
        if index == faulty or route.has("fault"):
            continue
        if index < faulty:
            route.problems.add("takes requests away from the fault below it; put a fallback last, and remove others")
        route.refuse("match", "without a fault only a fallback for all other requests is kept; remove it")
        _read_treatment(route, host)


def _read_fault(route: Fields, host: str, path: str) -> tuple[Fault, dict[str, str]]:
    fault = route.child("fault")
    parts = {name: fault.child(name) for name in ("delay", "abort") if fault.has(name)}
    fault.refuse_others("delay", "abort")
    matches = [_match(fields) for fields in route.children("match")]
    for index, match in enumerate(matches[1:], 1):
        if match.conditions != matches[0].conditions:
            route.problems.at("match", index).add(
                "may differ from match[0] in its port only: blocks are alternatives; inject a fault for each"
            )
    _read_treatment(route, host)
    asked = matches[0] if matches else _Match(0, (), {}, "")
    ports = tuple(match.port for match in matches) if all(match.port for match in matches) else ()
    parsed = Fault(
        name="",
        host=host,
        ttl=0.0,
        delay=_delay(parts["delay"]) if "delay" in parts else None,
        abort=_abort(parts["abort"]) if "abort" in parts else None,
        ports=ports,
        match_headers=asked.headers,
        source_labels=asked.source_labels,
        source_namespace=asked.source_namespace,
    )
    shares = {name: _SHARE_OLD if fields.has(_SHARE_OLD) else _SHARE for name, fields in parts.items()}
    places = {f"{name}.percent": f"{path}.fault.{name}.{share}" for name, share in shares.items()}
    return parsed, places | _places(parsed, path)


def _delay(fields: Fields) -> Delay:
    delay = Delay(fields.duration("fixedDelay"), _percent(fields))
    fields.refuse_rest()
    return delay


def _abort(fields: Fields) -> Abort:
    abort = Abort(fields.number("httpStatus"), fields.text("grpcStatus"), _percent(fields))
    if abort.http_status and abort.grpc_status:
        fields.problems.at("grpcStatus").add("set httpStatus or grpcStatus, not both")
    fields.refuse_rest()
    return abort


def _percent(fields: Fields) -> float:
    """The share of requests, in today's form (percentage.value) or the one before it (percent)."""
    percentage = fields.child("percentage")
    if fields.has("percent"):
        if fields.has("percentage"):
            fields.problems.at("percent").add("set percentage or percent, not both")
        return float(fields.number("percent"))
    if not percentage.has("value"):
        fields.problems.at("percentage").add(_NO_PERCENT)
        return 100.0
    percentage.refuse_others("value")
    return percentage.decimal("value")


def _match(fields: Fields) -> _Match:
    match = _Match(
        port=fields.number("port"),
        headers=tuple(_header(name, value) for name, value in fields.children_by_name("headers")),
        source_labels=fields.texts_by_name("sourceLabels"),
        source_namespace=fields.text("sourceNamespace"),
    )
    fields.ignore("name")
    fields.refuse_rest()
    return match


def _header(name: str, fields: Fields) -> HeaderMatch:
    given = [kind for kind in _VALUED if fields.has(kind.value)]
    if len(given) > 1:
        fields.problems.add("set one of exact, prefix and regex")
    fields.refuse_others(*(kind.value for kind in _VALUED))
    return HeaderMatch(name, given[0], fields.text(given[0].value)) if given else HeaderMatch(name)


def _read_treatment(route: Fields, host: str) -> None:
    """All that a route does besides its fault: it must send everything to `host`."""
    destinations = list(route.children("route"))
    if len(destinations) != 1:
        route.problems.at("route").add(f"must send everything to {host}")
    for fields in destinations:
        destination = fields.child("destination")
        if destination.text("host").lower() != host:
            destination.problems.at("host").add(f"must be {host}: a fault sends requests where they were going")
        if fields.number("weight") not in {0, 100}:
            fields.problems.at("weight").add("must be 100 or left out")
        destination.refuse_rest()
        fields.refuse_rest()
    for name in ("timeout", "retries"):
        route.refuse(name, f"belongs to the service entry; set traffic.{name} there and remove it here")
    route.ignore("name")
    route.refuse_rest()


def _places(fault: Fault, route: str) -> dict[str, str]:
    headers = (
        (f"match_headers[{i}]", f'{route}.match[0].headers["{h.name}"]') for i, h in enumerate(fault.match_headers)
    )
    return {
        "host": "spec.hosts[0]",
        "delay": f"{route}.fault.delay",
        "delay.fixed_delay": f"{route}.fault.delay.fixedDelay",
        "abort": f"{route}.fault.abort",
        "abort.http_status": f"{route}.fault.abort.httpStatus",
        "abort.grpc_status": f"{route}.fault.abort.grpcStatus",
        "ports": f"{route}.match",
        **{f"ports[{i}]": f"{route}.match[{i}].port" for i in range(len(fault.ports))},
        "match_headers": f"{route}.match[0].headers",
        **dict(chain.from_iterable(((field, place), (f"{field}.name", place)) for field, place in headers)),
        "source_labels": f"{route}.match[0].sourceLabels",
        "source_namespace": f"{route}.match[0].sourceNamespace",
    }
