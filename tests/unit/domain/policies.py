"""Generated policies that pass validation."""

from dataclasses import replace

from hypothesis import strategies as st

from egress_server.domain.model.clusters import Cluster, LocalTarget
from egress_server.domain.model.resources import (
    Abort,
    ConnectionLimits,
    Delay,
    Endpoint,
    Fault,
    HeaderMatch,
    HeaderOperations,
    Interception,
    Location,
    MatchKind,
    OutboundMode,
    OutboundPolicy,
    OutlierDetection,
    Protocol,
    Resolution,
    Resource,
    Retries,
    Route,
    ServiceEntry,
    ServicePort,
    StringMatch,
    TlsOrigination,
    TrafficSettings,
    WeightedDestination,
)
from egress_server.domain.model.selectors import Scope
from egress_server.domain.model.traffic_policy import (
    H2UpgradePolicy,
    HttpCookie,
    LoadBalancer,
    OriginationMode,
    SimpleLoadBalancer,
    TcpKeepalive,
)
from egress_server.domain.validate import Problems, check_resource

_words = st.from_regex(r"[a-z]([a-z0-9]{0,6}[a-z0-9])?", fullmatch=True) | st.sampled_from(["y", "n", "no", "null"])
_YAML = ("y", "N", "yes", "off", "null", "0o7", "0x1F", "1e3", "1_0", "12", "010", "1.0", "2026-12-01")
"""Texts that some YAML parsers read as another type."""
_namespaces = st.sampled_from(["default", "prod", "istio-system", "n1"])
_label_texts = _words | st.sampled_from([*_YAML, "A.b_C", "x" * 63])
_labels = st.dictionaries(
    _label_texts | st.sampled_from(["example.com/y", f"{'a' * 63}.example.com/{'b' * 63}"]),
    st.just("") | _label_texts,
    max_size=4,
)
_hosts = st.builds("{}{}.example.com".format, st.sampled_from(["", "*.", "a.b."]), _words) | st.sampled_from(
    ["xn--bcher-kva.example", f"{'a' * 63}.example.com", "y", "0x1f.example.com", ".".join(["a" * 60] * 4)]
)
_port_names = st.integers(1, 65535).map("p{}".format) | st.sampled_from(
    ["y", "n", "0o7", "1e3", "HTTP-80", "x" * 63, "80"]
)
_addresses = st.sampled_from(["203.0.113.1", "198.51.100.0/24", "2001:db8::1", "10.1.0.0/16"])
_scopes = st.one_of(st.just(Scope()), st.builds(Scope, namespace=_namespaces, match_labels=_labels))


@st.composite
def _ports(draw: st.DrawFn) -> tuple[ServicePort, ...]:
    numbers = draw(st.lists(st.integers(1, 65535), min_size=1, max_size=4, unique=True))
    count = len(numbers)
    names = draw(st.lists(_port_names, min_size=count, max_size=count, unique=True))
    return tuple(
        ServicePort(number, draw(st.sampled_from(Protocol)), name, draw(st.integers(0, 65535)))
        for number, name in zip(numbers, names, strict=True)
    )


@st.composite
def _endpoints(draw: st.DrawFn, ports: tuple[ServicePort, ...]) -> Endpoint:
    names = st.sampled_from([port.name for port in ports])
    return Endpoint(
        address=draw(st.sampled_from(["198.51.100.7", "2001:db8::7", "origin.example.com"])),
        ports=draw(st.dictionaries(names, st.integers(1, 65535), max_size=3)),
        labels=draw(_labels),
        locality=draw(
            st.sampled_from(["", "eu", "eu/west", "eu/west/a", "y/n", "eu//a", "*", "EU West", "é", "1e3", "null"])
        ),
        weight=draw(st.integers(0, 2**31 - 1)),
        network=draw(st.sampled_from(["", "east", "y", "0o7", "~", "a#b", "-"])),
    )


_names = st.lists(
    st.sampled_from(
        ["a.example.com", "b.example.com", "spiffe://cluster.local/ns/a/sa/b", *_YAML, "*.a", "#", "-", "~"]
    ),
    max_size=3,
    unique=True,
).map(tuple)
_annotations: st.SearchStrategy[dict[str, str]] = st.just({}) | st.dictionaries(
    st.sampled_from(["networking.istio.io/traffic-distribution", "y", "0o7", "example.com/null"]),
    st.sampled_from(["", "PreferClose", *_YAML, "é", "a: b #c", "\u2028", "\ufeff", "=", "'\"", "x" * 1024]),
    max_size=2,
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
        export_to=draw(st.sampled_from([(), ("*",), (".",), (".", "prod"), ("n1",), ("~",), ("y", "1e3")])),
        workload_selector=draw(st.just({}) | _labels),
        subject_alt_names=draw(_names),
        labels=draw(_labels),
        annotations=draw(_annotations),
    )


_percents = st.sampled_from([0.0001, 12.5, 50.0, 100.0])
_times = st.integers(1, 3_600_000).map(lambda milliseconds: milliseconds / 1000)
_maybe = st.none() | _times
_seconds = st.none() | st.integers(1, 7200).map(float)
_counts = st.integers(0, 2**31 - 1)
_header_names = st.sampled_from(["x-user", "x-version", "cookie", "y", "1e3", "~", "x_y.z"])
_header_texts = st.sampled_from(["b", "ab", *_YAML, "é", "日本", " a ", "a: b #c", "-", "{}", "'\"", "\\d", "a" * 1024])
_expressions = st.sampled_from(["a.*|c", r"\d+", "(?i)é", "[[:alpha:]]y", "0o7", "y", "^$", "[^a]{2,3}?"])
_headers = st.lists(
    st.one_of(
        st.builds(HeaderMatch, _header_names),
        st.builds(HeaderMatch, _header_names, st.just(MatchKind.EXACT) | st.just(MatchKind.PREFIX), _header_texts),
        st.builds(HeaderMatch, _header_names, st.just(MatchKind.REGEX), _expressions),
        st.sampled_from([HeaderMatch("x-user", MatchKind.PREFIX, "a"), HeaderMatch("x-user", MatchKind.REGEX, "a.*")]),
    ),
    max_size=3,
    unique_by=lambda match: match.name,
).map(tuple)


def _texts(*values: str) -> st.SearchStrategy[StringMatch | None]:
    """No condition, or one of each kind with the first value, or an exact one with another."""
    some = [StringMatch(kind, values[0]) for kind in (MatchKind.EXACT, MatchKind.PREFIX, MatchKind.REGEX)]
    return st.none() | st.sampled_from([*some, *(StringMatch(MatchKind.EXACT, value) for value in values[1:])])


_uris = _texts("/orders", "/orders/1", "/", "/é", "/a: b #c", "//")
_methods = _texts("POST", "GET")
_authorities = _texts("a.example.com", "a.example.com:8080")
_changed = st.dictionaries(_header_names, st.sampled_from(["", *_YAML, " a ", "a: b #c", "{a}", "'\""]), max_size=2)
_changes = st.none() | st.builds(
    HeaderOperations,
    _changed | st.just({"x-team": "shop", "x-share": "100%%"}),
    _changed,
    st.lists(_header_names, max_size=2, unique=True).map(tuple),
)


@st.composite
def _destinations(draw: st.DrawFn) -> tuple[WeightedDestination, ...]:
    hosts = draw(st.lists(_hosts.filter(lambda host: not host.startswith("*")), min_size=1, max_size=3, unique=True))
    share = 100 // len(hosts)
    weights = [100 - share * (len(hosts) - 1), *[share] * (len(hosts) - 1)]
    if len(hosts) == 1 and draw(st.booleans()):
        weights = [0]
    ports = st.sampled_from([0, 80, 443])
    return tuple(WeightedDestination(host, draw(ports), weight) for host, weight in zip(hosts, weights, strict=True))


_traffic = st.builds(
    TrafficSettings,
    timeout=_maybe,
    retries=st.none()
    | st.just(Retries(0))
    | st.builds(
        Retries,
        st.integers(1, 20),
        _maybe,
        st.sampled_from([(), ("5xx",), ("503", "connect-failure")]),
        _maybe,
        st.none() | st.booleans(),
        st.none() | st.booleans(),
    ),
    routes=st.lists(
        st.builds(
            Route,
            _destinations(),
            _headers,
            _uris,
            _methods,
            _authorities,
            st.sampled_from(["", "www.example.com", "www.example.com:8443"]),
            _changes,
            _changes,
        ),
        max_size=3,
    ).map(tuple),
    connection_limits=st.none()
    | st.builds(
        ConnectionLimits,
        _counts,
        _maybe,
        _counts,
        _counts,
        st.just(0.0) | _maybe,
        _maybe,
        st.none() | st.builds(TcpKeepalive, _seconds, _seconds, _counts),
        _maybe,
        _counts,
        _counts,
        _counts,
        st.sampled_from(H2UpgradePolicy),
    ),
    outlier_detection=st.none()
    | st.builds(OutlierDetection, _counts, _maybe, _maybe, st.integers(0, 100), _counts, _counts, st.integers(0, 100)),
    load_balancer=st.sampled_from(
        [
            None,
            *(LoadBalancer(simple) for simple in SimpleLoadBalancer),
            LoadBalancer(http_header_name="x-user"),
            LoadBalancer(http_cookie=HttpCookie("user", "/shop", 3.5)),
            LoadBalancer(http_cookie=HttpCookie("user")),
            LoadBalancer(use_source_ip=True),
            LoadBalancer(http_query_parameter_name="user"),
        ]
    ),
)


_origination = st.builds(
    TlsOrigination,
    sni=st.sampled_from(["", "www.example.com", "y"]),
    insecure_skip_verify=st.booleans(),
    mode=st.sampled_from(OriginationMode),
    credential_name=st.sampled_from(["", "bank-client", "y", "0o7", "1.0"]),
    client_certificate=st.sampled_from(["", "/etc/certs/client.pem"]),
    private_key=st.sampled_from(["", "/etc/certs/key.pem"]),
    ca_certificates=st.sampled_from(["", "/etc/certs/ca.pem"]),
    subject_alt_names=_names,
    match_labels=st.sampled_from([{}, {"app": "payments", "tier": "1", "y": "0o7"}]),
)


@st.composite
def _treated(draw: st.DrawFn) -> ServiceEntry:
    """An entry with traffic settings, some with a target port and TLS origination."""
    entry = draw(_candidates())
    traffic = draw(_traffic)
    port = entry.ports[0]
    if port.target_port and draw(st.booleans()):
        traffic = replace(traffic, tls_origination=replace(draw(_origination), port=port.number))
    return replace(entry, traffic=traffic)


def _is_valid(resource: Resource) -> bool:
    problems = Problems()
    check_resource(resource, problems)
    return not problems.any


def service_entries() -> st.SearchStrategy[ServiceEntry]:
    """Valid service entries."""
    return _candidates().filter(_is_valid)


def treated_entries() -> st.SearchStrategy[ServiceEntry]:
    """Valid service entries with traffic settings."""
    return _treated().filter(_is_valid)


def faults() -> st.SearchStrategy[Fault]:
    """Valid faults for all clusters."""
    names = st.builds("meshes/default/namespaces/{}/faults/{}".format, _namespaces, _words)
    statuses = st.builds(Abort, st.integers(200, 599), st.just(""), _percents) | st.builds(
        Abort, st.just(0), st.sampled_from(["OK", "UNAVAILABLE"]), _percents
    )
    return st.builds(
        Fault,
        names,
        _hosts,
        ttl=_times,
        delay=st.none() | st.builds(Delay, _times, _percents),
        abort=st.none() | statuses,
        ports=st.lists(st.integers(1, 65535), max_size=3, unique=True).map(tuple),
        match_headers=_headers,
        source_labels=_labels,
        source_namespace=st.just("") | _namespaces,
        match_uri=_uris,
        match_method=_methods,
        match_authority=_authorities,
    ).filter(_is_valid)


def interceptions() -> st.SearchStrategy[Interception]:
    """Valid interceptions for all clusters."""
    cidrs = st.lists(
        st.sampled_from(["10.0.0.0/8", "10.1.0.0/16", "2001:db8::/32", "0.0.0.0/0", "203.0.113.7/32"]),
        max_size=3,
        unique=True,
    ).map(tuple)
    port_lists = st.lists(st.integers(1, 65535), max_size=3, unique=True).map(tuple)
    names = st.builds("meshes/default/interceptions/{}".format, _words)
    return st.builds(
        Interception, names, _scopes, cidrs, cidrs, st.booleans(), st.booleans(), port_lists, port_lists
    ).filter(_is_valid)


def clusters() -> st.SearchStrategy[Cluster]:
    """Clusters with and without service ranges."""
    ranges = st.sampled_from([(), ("10.96.0.0/12",), ("10.0.0.0/8", "fd00::/108")])
    return st.builds(Cluster, st.just("meshes/default/clusters/east"), st.builds(LocalTarget, ranges))


def outbound_policies() -> st.SearchStrategy[OutboundPolicy]:
    """Valid outbound policies for all clusters."""
    names = st.builds("meshes/default/outboundPolicies/{}".format, _words)
    return st.builds(OutboundPolicy, names, st.sampled_from(OutboundMode), _scopes).filter(_is_valid)
