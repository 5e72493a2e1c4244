"""Istio's VirtualService to a fault: VirtualServices that inject faults today can be used unchanged.

A fault affects requests but does not change their destination. A VirtualService can do much more, and everything else
is refused by its path: if only a part were accepted, it would not do what its author intended.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain

from egress_server.domain.model.names import normal_host
from egress_server.domain.model.resources import Abort, Delay, Fault, HeaderMatch, MatchKind, StringMatch
from egress_server.domain.model.selectors import Labels
from egress_server.domain.validate import Problems
from egress_server.formats.fields import Fields
from egress_server.formats.service_entry import read_object

_NO_PERCENT = "is required: to Istio, a missing percentage means never; use 100 for always"
_PERCENT, _DEPRECATED_PERCENT = "percentage.value", "percent"
_TEXTS = ("uri", "method", "authority")
_VALUED = (MatchKind.EXACT, MatchKind.PREFIX, MatchKind.REGEX)


@dataclass(frozen=True, slots=True)
class ParsedFault:
    """A fault as written, not validated yet. `id` and `namespace` are empty if the YAML omits them; the fault itself
    has no name and no ttl yet. `paths` maps paths of the fault to paths in the YAML."""

    id: str
    namespace: str
    fault: Fault
    paths: Mapping[str, str]

    def yaml_path(self, field: str) -> str:
        """The YAML path of a field of the fault."""
        known = [path for path in self.paths if field == path or field.startswith((f"{path}.", f"{path}["))]
        nearest = max(known, key=len, default="")
        return self.paths[nearest] + field[len(nearest) :] if nearest else f"spec.{field}"


@dataclass(frozen=True, slots=True)
class _Match:
    """One match block: its conditions, and the port that they apply to (0 for any)."""

    port: int
    headers: tuple[HeaderMatch, ...] = ()
    source_labels: Labels = field(default_factory=dict)
    source_namespace: str = ""
    texts: Mapping[str, StringMatch] = field(default_factory=dict)
    """The conditions on parts of the request, by Istio's name."""

    @property
    def conditions(self) -> object:
        """All conditions except the port; the order of headers is irrelevant."""
        headers = sorted((h.name, h.kind.value, h.value) for h in self.headers)
        return headers, self.source_labels, self.source_namespace, self.texts


def parse_fault(text: str, problems: Problems) -> ParsedFault | None:
    """The fault in the VirtualService in `text`. Adds what can't be read or represented to `problems`; None if there is
    no fault.

    Raises YamlError if the text is not YAML that strict_yaml accepts.
    """
    parts = read_object(text, "VirtualService", problems)
    if parts is None:
        return None
    metadata, spec = parts
    host = _host(spec)
    routes = list(spec.children("http"))
    for name in ("tcp", "tls"):
        spec.refuse(name, "a fault applies to HTTP requests only; remove this field")
    spec.refuse_rest()
    index = _find_fault(routes, spec.problems.at("http"))
    if index is None:
        return None
    _check_fallbacks(routes, index, host)
    fault, paths = _read_fault(routes[index], host, f"spec.http[{index}]")
    return ParsedFault(metadata.text("name"), metadata.text("namespace"), fault, paths)


def _host(spec: Fields) -> str:
    hosts = spec.texts("hosts")
    if len(hosts) != 1:
        spec.problems.at("hosts").add(f"must have exactly one host, not {len(hosts)}")
    for index, gateway in enumerate(spec.texts("gateways")):
        if gateway != "mesh":
            spec.problems.at("gateways", index).add("must be mesh: a fault applies to workloads, not to gateways")
    if spec.texts("exportTo") not in {(), ("*",)}:
        spec.problems.at("exportTo").add(
            "is not supported; use sourceNamespace in a match to restrict the fault to a namespace"
        )
    return normal_host(hosts[0]) if hosts else ""


def _find_fault(routes: list[Fields], problems: Problems) -> int | None:
    """The position of the only route with a fault."""
    found = [index for index, route in enumerate(routes) if route.has("fault")]
    if not found:
        problems.add(
            "no route has a fault; timeouts, retries and routes are settings of the service entry: "
            "traffic.timeout (--request-timeout), traffic.retries (--retries) and traffic.routes"
        )
        return None
    for index in found[1:]:
        problems.at(index, "fault").add(f"http[{found[0]}] already has a fault; inject one fault at a time")
    return found[0]


def _check_fallbacks(routes: list[Fields], fault: int, host: str) -> None:
    """Besides the fault, only a last route for all other requests is allowed."""
    for index, route in enumerate(routes):
        if index == fault or route.has("fault"):
            continue
        if index < fault:
            route.problems.add("takes precedence over the route with the fault; only a fallback after it is allowed")
        route.refuse("match", "is not allowed in a route without a fault, which must match all other requests")
        _read_action(route, host)


def _read_fault(route: Fields, host: str, path: str) -> tuple[Fault, dict[str, str]]:
    fault = route.child("fault")
    parts = {name: fault.child(name) for name in ("delay", "abort") if fault.has(name)}
    fault.refuse_others("delay", "abort")
    matches = [_match(fields) for fields in route.children("match")]
    for index, match in enumerate(matches[1:], 1):
        if match.conditions != matches[0].conditions:
            route.problems.at("match", index).add(
                "may differ from match[0] only in its port; inject a separate fault for other conditions"
            )
    _read_action(route, host)
    first = matches[0] if matches else _Match(0)
    ports = tuple(match.port for match in matches) if all(match.port for match in matches) else ()
    parsed = Fault(
        name="",
        host=host,
        ttl=0.0,
        delay=_delay(parts["delay"]) if "delay" in parts else None,
        abort=_abort(parts["abort"]) if "abort" in parts else None,
        ports=ports,
        match_headers=first.headers,
        source_labels=first.source_labels,
        source_namespace=first.source_namespace,
        match_uri=first.texts.get("uri"),
        match_method=first.texts.get("method"),
        match_authority=first.texts.get("authority"),
    )
    percents = {
        name: _DEPRECATED_PERCENT if fields.has(_DEPRECATED_PERCENT) else _PERCENT for name, fields in parts.items()
    }
    paths = {f"{name}.percent": f"{path}.fault.{name}.{percent}" for name, percent in percents.items()}
    return parsed, paths | _paths(parsed, path)


def _delay(fields: Fields) -> Delay:
    delay = Delay(fields.duration("fixedDelay"), _percent(fields))
    fields.refuse_rest()
    return delay


def _abort(fields: Fields) -> Abort:
    abort = Abort(fields.number("httpStatus"), fields.text("grpcStatus"), _percent(fields))
    if abort.http_status and abort.grpc_status:
        fields.problems.at("grpcStatus").add("only one of httpStatus and grpcStatus may be set")
    fields.refuse_rest()
    return abort


def _percent(fields: Fields) -> float:
    """The percentage of requests, in the current form (percentage.value) or the deprecated one (percent)."""
    percentage = fields.child("percentage")
    if fields.has("percent"):
        if fields.has("percentage"):
            fields.problems.at("percent").add("only one of percentage and percent may be set")
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
        texts={name: _text_match(fields.child(name)) for name in _TEXTS if fields.has(name)},
    )
    fields.ignore("name")
    fields.refuse_rest()
    return match


def _header(name: str, fields: Fields) -> HeaderMatch:
    match = _text_match(fields)
    return HeaderMatch(name, match.kind, match.value)


def _text_match(fields: Fields) -> StringMatch:
    given = [kind for kind in _VALUED if fields.has(kind.value)]
    if len(given) > 1:
        fields.problems.add("only one of exact, prefix and regex may be set")
    fields.refuse_others(*(kind.value for kind in _VALUED))
    return StringMatch(given[0], fields.text(given[0].value)) if given else StringMatch(MatchKind.PRESENT)


def _read_action(route: Fields, host: str) -> None:
    """Everything in a route besides its fault: it must send all requests to `host`."""
    destinations = list(route.children("route"))
    if len(destinations) != 1:
        route.problems.at("route").add(f"must have exactly one destination, {host}")
    for fields in destinations:
        destination = fields.child("destination")
        if normal_host(destination.text("host")) != host:
            destination.problems.at("host").add(
                f"must be {host}, because a fault does not change the destination of requests"
            )
        if fields.number("weight") not in {0, 100}:
            fields.problems.at("weight").add("must be 100 or omitted")
        destination.refuse_rest()
        fields.refuse_rest()
    for name in ("timeout", "retries"):
        route.refuse(name, f"is a setting of the service entry; set traffic.{name} there instead")
    route.ignore("name")
    route.refuse_rest()


def _paths(fault: Fault, route: str) -> dict[str, str]:
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
        **{f"match_{name}": f"{route}.match[0].{name}" for name in _TEXTS},
        "source_labels": f"{route}.match[0].sourceLabels",
        "source_namespace": f"{route}.match[0].sourceNamespace",
    }
