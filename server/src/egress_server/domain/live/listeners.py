"""Which listener and filter chain get a connection.

Source: Envoy's ConnectionHandlerImpl::getBalancedHandlerByAddress and FilterChainManagerImpl::findFilterChain.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any

from egress_server.domain.live.config import Json, SidecarConfig
from egress_server.domain.live.decision import Question

_ANY = {4: "0.0.0.0", 6: "::"}
_KNOWN_FILTERS = frozenset({"tls_inspector", "http_inspector", "original_dst", "proxy_protocol"})
_DEFAULT_TIMEOUT = "15s"


@dataclass(frozen=True, slots=True)
class FoundChain:
    """The listener and the filter chain; no chain if the connection is closed. `waits` is whether the listener waits
    for the client's first bytes without end, which this client does not send."""

    listener: Json
    chain: Json | None = None
    waits: bool = False
    undecided: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Detected:
    """What listener filters have found out, as Envoy names it."""

    transport: str = "raw_buffer"
    server_name: str = ""
    application: tuple[str, ...] = ()
    waits: bool = False
    undecided: tuple[str, ...] = ()


def find_chain(config: SidecarConfig, question: Question) -> FoundChain:
    """The filter chain for a connection that is redirected to the sidecar."""
    entrance = next((each for each in config.listeners if _is_entrance(each)), None)
    if entrance is None:
        return FoundChain({}, undecided=("no listener receives redirected connections",))
    detected = _inspect(entrance, question, _Detected())
    listener = listener_at(config, question.address, question.destination.port) or entrance
    if listener is not entrance and not detected.waits:
        detected = _inspect(listener, question, detected)
    if detected.waits or detected.undecided:
        return FoundChain(listener, waits=detected.waits, undecided=detected.undecided)
    if "filter_chain_matcher" in listener:
        return FoundChain(listener, undecided=("filter_chain_matcher",))
    return _find_in(listener, question, detected)


def address_of(item: Json) -> tuple[str, int]:
    """The address and port of a resource with an Address; an empty address if it is not of IP."""
    socket_address = item.get("address", {}).get("socket_address", {})
    return _canonical(str(socket_address.get("address", ""))), int(socket_address.get("port_value", 0))


def _canonical(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        return text


def _is_entrance(listener: Json) -> bool:
    """Whether a listener hands over connections by their original destination, outbound."""
    return bool(listener.get("use_original_dst")) and listener.get("traffic_direction") != "INBOUND"


def listener_at(config: SidecarConfig, address: str, port: int) -> Json | None:
    """The listener of exactly this address and port, else that of the port on any address of the family."""
    any_address = _ANY[ip_address(address).version]
    found: dict[str, Json] = {}
    for listener in config.listeners:
        for each in (listener, *listener.get("additional_addresses", ())):
            at, its_port = address_of(each)
            if its_port == port:
                found.setdefault(at, listener)
    return found.get(_canonical(address)) or found.get(any_address)


def _inspect(listener: Json, question: Question, before: _Detected) -> _Detected:
    """What the listener's filters detect, after what those of the entrance did."""
    kinds = [name for each in listener.get("listener_filters", ()) if (name := _active(each, question)) is not None]
    if unknown := [kind for kind in kinds if kind not in _KNOWN_FILTERS]:
        return _Detected(undecided=tuple(f"listener filter {kind}" for kind in unknown))
    inspectors = {"tls_inspector", "http_inspector"} & set(kinds)
    to = question.destination
    if not inspectors:
        return before
    if to.scheme == "tcp" and not question.speaks_first:
        timeout = str(listener.get("listener_filters_timeout", _DEFAULT_TIMEOUT))
        ends = float(timeout.rstrip("s")) > 0 and listener.get("continue_on_listener_filters_timeout")
        return before if ends else _Detected(waits=True)
    if to.speaks_tls:
        return _tls(question) if "tls_inspector" in inspectors else before
    if to.scheme == "http" and "http_inspector" in inspectors:
        return _Detected(application=("http/1.1",))
    return before


def _tls(question: Question) -> _Detected:
    """The server name is sent without a final dot, and never for an IP address (RFC 6066, section 3)."""
    host = question.destination.host.rstrip(".").lower()
    try:
        ip_address(host)
    except ValueError:
        return _Detected("tls", host, question.alpn)
    return _Detected("tls", "", question.alpn)


def _active(listener_filter: Json, question: Question) -> str | None:
    """The kind of a listener filter; None if it is disabled for the connection."""
    kind = str(listener_filter.get("name", "")).rpartition(".")[2]
    disabled = listener_filter.get("filter_disabled")
    if disabled is None:
        return kind
    verdict = _predicate(disabled, question.destination.port)
    return None if verdict else kind if verdict is False else f"{kind} with filter_disabled"


def _predicate(predicate: Json, port: int) -> bool | None:
    """Of a ListenerFilterChainMatchPredicate."""
    match predicate:
        case {"any_match": any_match}:
            return bool(any_match)
        case {"destination_port_range": limits}:
            return int(limits.get("start", 0)) <= port < int(limits.get("end", 0))
        case {"not_match": inner}:
            verdict = _predicate(inner, port)
            return None if verdict is None else not verdict
        case {"or_match": {"rules": rules}}:
            found = [_predicate(rule, port) for rule in rules]
            return True if True in found else None if None in found else False
        case {"and_match": {"rules": rules}}:
            found = [_predicate(rule, port) for rule in rules]
            return False if False in found else None if None in found else True
    return None


def _find_in(listener: Json, question: Question, detected: _Detected) -> FoundChain:
    """Envoy narrows down criterion by criterion, each to its most specific value, and never comes back to one that it
    has passed."""
    chains = _by_port(listener.get("filter_chains", ()), question.destination.port)
    chains = _by_range(chains, question.address)
    chains = _by_server_name(chains, detected.server_name)
    chains = _by_text(chains, "transport_protocol", [detected.transport])
    chains = _by_text(chains, "application_protocols", detected.application)
    if any(_match(chain).keys() & _SOURCE for chain in chains):
        return FoundChain(listener, undecided=("filter chains by source address",))
    return FoundChain(listener, chains[0] if chains else listener.get("default_filter_chain"))


_SOURCE = {"direct_source_prefix_ranges", "source_type", "source_prefix_ranges", "source_ports"}


def _match(chain: Json) -> Json:
    return chain.get("filter_chain_match") or {}


def _by_port(chains: Sequence[Json], port: int) -> list[Json]:
    exact = [chain for chain in chains if _match(chain).get("destination_port") == port]
    return exact or [chain for chain in chains if "destination_port" not in _match(chain)]


def _by_range(chains: list[Json], address: str) -> list[Json]:
    widths = [(width, chain) for chain in chains if (width := _width(chain, address)) is not None]
    narrowest = max((width for width, _ in widths), default=None)
    return [chain for width, chain in widths if width == narrowest]


def _width(chain: Json, address: str) -> int | None:
    """Prefix length of the chain's narrowest range that contains the address, 0 if it has no ranges, None if none
    contains it."""
    ranges = _match(chain).get("prefix_ranges", ())
    if not ranges:
        return 0
    networks = (ip_network(f"{each['address_prefix']}/{each.get('prefix_len', 0)}", strict=False) for each in ranges)
    return max((network.prefixlen for network in networks if ip_address(address) in network), default=None)


def _by_server_name(chains: list[Json], name: str) -> list[Json]:
    for pattern in _patterns(name):
        if found := [chain for chain in chains if pattern in map(str.lower, _match(chain).get("server_names", ()))]:
            return found
    return [chain for chain in chains if not _match(chain).get("server_names")]


def _patterns(name: str) -> Iterator[str]:
    """The server names of a match that fit, the most specific first."""
    yield name
    labels = name.split(".")
    yield from (f"*.{'.'.join(labels[at:])}" for at in range(1, len(labels)))


def _by_text(chains: list[Json], field: str, values: Sequence[str]) -> list[Json]:
    for value in values:
        if found := [chain for chain in chains if value in _values(_match(chain).get(field, ()))]:
            return found
    return [chain for chain in chains if not _match(chain).get(field)]


def _values(value: Any) -> Sequence[str]:
    return [value] if isinstance(value, str) else value
