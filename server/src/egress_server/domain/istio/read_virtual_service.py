"""Reads the spec of a VirtualService manifest."""

from collections.abc import Iterator

from egress_server.domain.istio.manifest import (
    Spec,
    child,
    children,
    full_name,
    labels,
    number,
    percent,
    seconds,
    text,
    texts,
)
from egress_server.domain.istio.virtual_service import (
    ConnectionMatch,
    ConnectionRule,
    HttpRule,
    NamedMatch,
    RequestMatch,
    RouteTarget,
    VirtualServiceSpec,
)
from egress_server.domain.model.resources import Abort, Delay, MatchKind, StringMatch

_REDIRECT, _DIRECT_RESPONSE = "redirect", "directResponse"
_MOVED_PERMANENTLY = 301
_STATUSES = range(200, 600)  # Envoy accepts no other for an abort
_VALUED_KINDS = (MatchKind.EXACT, MatchKind.PREFIX, MatchKind.REGEX)
_PRESENT = StringMatch(MatchKind.PRESENT)
_ANY_TEXT = "*"
"""As a regex it only requires that the header is there: Istio does not take it for RE2."""


def read_virtual_service(spec: Spec, namespace: str) -> VirtualServiceSpec:
    """The spec of a VirtualService in `namespace`, with full host names. Istio compares the names in `hosts` in lower
    case, and those of destinations as they are."""
    return VirtualServiceSpec(
        hosts=tuple(full_name(host, namespace).lower() for host in texts(spec, "hosts")),
        gateways=texts(spec, "gateways"),
        export_to=texts(spec, "exportTo"),
        http=tuple(_http_rule(rule, namespace) for rule in children(spec, "http")),
        tls=tuple(_connection_rule(rule, namespace) for rule in children(spec, "tls")),
        tcp=tuple(_connection_rule(rule, namespace) for rule in children(spec, "tcp")),
    )


def _http_rule(rule: Spec, namespace: str) -> HttpRule:
    answers, status = _answer(rule)
    fault = child(rule, "fault")
    return HttpRule(
        name=text(rule, "name"),
        match=tuple(_request_match(match) for match in children(rule, "match")),
        route=tuple(_targets(rule, namespace)),
        answers=answers,
        status=status,
        delay=_delay(child(fault, "delay")),
        abort=_abort(child(fault, "abort")),
        delegate=_delegate(rule, namespace),
    )


def _answer(rule: Spec) -> tuple[str, int]:
    """Which field makes the sidecar answer requests itself, and the status."""
    if _REDIRECT in rule:
        return _REDIRECT, number(child(rule, _REDIRECT), "redirectCode") or _MOVED_PERMANENTLY
    if _DIRECT_RESPONSE in rule:
        return _DIRECT_RESPONSE, number(child(rule, _DIRECT_RESPONSE), "status")
    return "", 0


def _delegate(rule: Spec, namespace: str) -> str:
    delegate = child(rule, "delegate")
    name = text(delegate, "name")
    return f"{text(delegate, 'namespace') or namespace}/{name}" if name else ""


def _delay(delay: Spec) -> Delay | None:
    """None also if it is an exponential one, which Istio does not support."""
    duration, share = seconds(delay.get("fixedDelay")), percent(delay)
    return Delay(duration, share) if duration and share > 0 else None


def _abort(abort: Spec) -> Abort | None:
    share = percent(abort) if "percentage" in abort else 0.0
    status, grpc_status = number(abort, "httpStatus"), text(abort, "grpcStatus")
    if share <= 0 or not (status in _STATUSES or grpc_status):
        return None
    return Abort(status, "" if status else grpc_status, share)


def _request_match(match: Spec) -> RequestMatch:
    return RequestMatch(
        uri=_condition(match, "uri"),
        ignore_uri_case=match.get("ignoreUriCase") is True,
        scheme=_condition(match, "scheme"),
        method=_condition(match, "method"),
        authority=_condition(match, "authority"),
        headers=tuple(_named(match, "headers", lower=True)),
        without_headers=tuple(_named(match, "withoutHeaders", lower=True)),
        query_params=tuple(_named(match, "queryParams")),
        port=number(match, "port"),
        source_labels=labels(match, "sourceLabels"),
        source_namespace=text(match, "sourceNamespace"),
        gateways=texts(match, "gateways"),
    )


def _condition(match: Spec, name: str) -> StringMatch | None:
    """A condition on something that every request has, so that mere presence is none."""
    found = _string_match(child(match, name))
    return None if found is _PRESENT else found


def _named(match: Spec, name: str, *, lower: bool = False) -> Iterator[NamedMatch]:
    """Names of headers have no case."""
    for key in child(match, name):
        yield NamedMatch(key.lower() if lower else key, _string_match(child(child(match, name), key)))


def _string_match(match: Spec) -> StringMatch:
    kind = next((kind for kind in _VALUED_KINDS if isinstance(match.get(kind.value), str)), None)
    if kind is None or (kind is MatchKind.REGEX and match[kind.value] == _ANY_TEXT):
        return _PRESENT
    return StringMatch(kind, match[kind.value])


def _targets(rule: Spec, namespace: str) -> Iterator[RouteTarget]:
    for route in children(rule, "route"):
        destination = child(route, "destination")
        if host := text(destination, "host"):
            port = number(child(destination, "port"), "number")
            yield RouteTarget(full_name(host, namespace), port, text(destination, "subset"), number(route, "weight"))


def _connection_rule(rule: Spec, namespace: str) -> ConnectionRule:
    return ConnectionRule(
        match=tuple(_connection_match(match) for match in children(rule, "match")),
        route=tuple(_targets(rule, namespace)),
    )


def _connection_match(match: Spec) -> ConnectionMatch:
    return ConnectionMatch(
        sni_hosts=texts(match, "sniHosts"),
        destination_subnets=texts(match, "destinationSubnets"),
        port=number(match, "port"),
        source_labels=labels(match, "sourceLabels"),
        source_namespace=text(match, "sourceNamespace"),
        gateways=texts(match, "gateways"),
    )
