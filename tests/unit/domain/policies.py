"""Generated policies that validation lets through."""

from hypothesis import strategies as st

from egress_server.domain.resources import (
    Endpoint,
    Location,
    OutboundMode,
    OutboundPolicy,
    Protocol,
    Resolution,
    Scope,
    ServiceEntry,
    ServicePort,
)
from egress_server.domain.validate import Problems, check_resource

_words = st.from_regex(r"[a-z]([a-z0-9]{0,6}[a-z0-9])?", fullmatch=True)
_namespaces = st.sampled_from(["default", "prod", "istio-system", "n1"])
_labels = st.dictionaries(_words, st.one_of(st.just(""), _words), max_size=4)
_hosts = st.builds("{}{}.example.com".format, st.sampled_from(["", "*.", "a.b."]), _words)
_addresses = st.sampled_from(["203.0.113.1", "198.51.100.0/24", "2001:db8::1", "10.1.0.0/16"])
_scopes = st.one_of(st.just(Scope()), st.builds(Scope, namespace=_namespaces, match_labels=_labels))


@st.composite
def _ports(draw: st.DrawFn) -> tuple[ServicePort, ...]:
    numbers = draw(st.lists(st.integers(1, 65535), min_size=1, max_size=4, unique=True))
    return tuple(
        ServicePort(number, draw(st.sampled_from(Protocol)), f"p{number}", draw(st.integers(0, 65535)))
        for number in numbers
    )


@st.composite
def _endpoints(draw: st.DrawFn, ports: tuple[ServicePort, ...]) -> Endpoint:
    names = st.sampled_from([port.name for port in ports])
    return Endpoint(
        address=draw(st.sampled_from(["198.51.100.7", "2001:db8::7", "origin.example.com"])),
        ports=draw(st.dictionaries(names, st.integers(1, 65535), max_size=3)),
        labels=draw(_labels),
        locality=draw(st.sampled_from(["", "eu", "eu/west", "eu/west/a"])),
        weight=draw(st.integers(0, 2**31 - 1)),
    )


@st.composite
def _candidates(draw: st.DrawFn) -> ServiceEntry:
    ports = draw(_ports())
    return ServiceEntry(
        name=f"meshes/default/namespaces/{draw(_namespaces)}/serviceEntries/{draw(_words)}",
        hosts=tuple(draw(st.lists(_hosts, min_size=1, max_size=3, unique=True))),
        ports=ports,
        resolution=draw(st.sampled_from(Resolution)),
        location=draw(st.sampled_from(Location)),
        endpoints=tuple(draw(st.lists(_endpoints(ports), max_size=2))),
        addresses=tuple(draw(st.lists(_addresses, max_size=2, unique=True))),
        export_to=draw(st.sampled_from([(), ("*",), (".",), (".", "prod"), ("n1",)])),
    )


def _is_valid(resource: ServiceEntry | OutboundPolicy) -> bool:
    problems = Problems()
    check_resource(resource, problems)
    return not problems.any


def service_entries() -> st.SearchStrategy[ServiceEntry]:
    """Valid service entries."""
    return _candidates().filter(_is_valid)


def outbound_policies() -> st.SearchStrategy[OutboundPolicy]:
    """Valid outbound policies for all clusters."""
    names = st.builds("meshes/default/outboundPolicies/{}".format, _words)
    return st.builds(OutboundPolicy, names, st.sampled_from(OutboundMode), _scopes).filter(_is_valid)
