"""What a sidecar with this configuration does with a connection."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from egress_server.domain.live.clusters import find_upstream
from egress_server.domain.live.config import Json, SidecarConfig, source_of
from egress_server.domain.live.decision import LiveDecision, LiveUpstream, Question
from egress_server.domain.live.http import VIRTUAL_SERVICE, HttpPath, HttpRouting, route_request, weighted_upstreams
from egress_server.domain.live.listeners import find_chain
from egress_server.domain.probe.verdicts import Outcome

# Network filters that don't decide where a connection goes.
_KNOWN = frozenset(
    {
        *("envoy.filters.network.set_filter_state", "envoy.filters.network.sni_dynamic_forward_proxy"),
        *("envoy.filters.network.mongo_proxy", "envoy.filters.network.mysql_proxy"),
        *("istio.metadata_exchange", "envoy.filters.network.metadata_exchange", "istio.stats"),
    }
)
_MANAGER = "HttpConnectionManager"
_TCP_PROXY = "TcpProxy"
_DIRECT_RESPONSE = "envoy.extensions.filters.network.direct_response.v3.Config"
_CLUSTER_STATE = "envoy.tcp_proxy.cluster"


def evaluate(config: SidecarConfig, question: Question) -> LiveDecision:
    """What the sidecar does with a connection that is redirected to it.

    Raises ValueError if the dialed address is not an IP address; KeyError, TypeError or AttributeError if a resource
    lacks what Envoy requires.
    """
    found = find_chain(config, question)
    listener = str(found.listener.get("name", ""))
    if found.undecided:
        return _undecided(LiveDecision(Outcome.INCONCLUSIVE, "UNDECIDED", listener=listener), found.undecided)
    if found.waits:
        return _certain(Outcome.INCONCLUSIVE, "WAITS_FOR_CLIENT", listener=listener)
    if found.chain is None:
        return _certain(Outcome.BLOCKED, "NO_FILTER_CHAIN", listener=listener)
    decision = _through(config, found.chain, question)
    return replace(decision, listener=listener, filter_chain=str(found.chain.get("name", "")))


def route_table_of(config: SidecarConfig, question: Question) -> str:
    """The name of the route configuration that the request needs; empty if it needs none, or an inline one."""
    if question.destination.scheme != "http" or (chain := find_chain(config, question).chain) is None:
        return ""
    managers = (each["typed_config"] for each in chain.get("filters", ()) if _kind(each).endswith(_MANAGER))
    return next((str(manager["rds"].get("route_config_name", "")) for manager in managers if "rds" in manager), "")


def _kind(network_filter: Json) -> str:
    return str(network_filter.get("typed_config", {}).get("@type", "")).rpartition("/")[2]


def _through(config: SidecarConfig, chain: Json, question: Question) -> LiveDecision:
    """What the network filters of a chain do."""
    undecided: list[str] = []
    for each in chain.get("filters", ()):
        kind = _kind(each)
        name = str(each.get("name", ""))
        if kind.endswith(_MANAGER):
            return _undecided(_manage(config, each["typed_config"], question), undecided)
        if kind.endswith(_TCP_PROXY):
            return _undecided(_proxy(config, each["typed_config"], chain, question), undecided)
        if kind == _DIRECT_RESPONSE:
            return _undecided(_certain(Outcome.BLOCKED, "DIRECT_RESPONSE"), undecided)
        if name not in _KNOWN or _sets_cluster(each):
            undecided.append(f"network filter {name}")
    return _undecided(_certain(Outcome.BLOCKED, "NO_FILTER_CHAIN"), undecided)


def _sets_cluster(network_filter: Json) -> bool:
    states = network_filter.get("typed_config", {}).get("on_new_connection", ())
    return any(state.get("object_key") == _CLUSTER_STATE for state in states)


def _proxy(config: SidecarConfig, proxy: Json, chain: Json, question: Question) -> LiveDecision:
    """What a TCP proxy does."""
    if "weighted_clusters" in proxy:
        upstreams = tuple(weighted_upstreams(config, proxy["weighted_clusters"], 1.0, question))
    else:
        upstreams = (find_upstream(config, str(proxy.get("cluster", "")), 1.0, question),)
    ways = [_Way(each.share, each.outcome, each.cause) for each in upstreams]
    return replace(_decide(ways), owner=source_of(chain, VIRTUAL_SERVICE), upstreams=upstreams)


def _manage(config: SidecarConfig, manager: Json, question: Question) -> LiveDecision:
    """What a connection manager does; it answers anything that is not HTTP with 400, which a TLS client can't read."""
    if question.destination.scheme != "http":
        if question.destination.scheme == "tcp" and not question.speaks_first:
            return _certain(Outcome.INCONCLUSIVE, "WAITS_FOR_CLIENT")
        return _certain(Outcome.BLOCKED, "NOT_HTTP")
    routing = route_request(config, manager, question)
    owners = {path.route.owner for path in routing.paths}
    decision = replace(
        _decide([way for path in routing.paths for way in _ways(path)]),
        sees_requests=True,
        owner=owners.pop() if len(owners) == 1 else "",
        routes=tuple(path.route for path in routing.paths),
        upstreams=_merged(upstream for path in routing.paths for upstream in path.upstreams),
    )
    return decision if not routing.undecided or _all_alike(routing) else _undecided(decision, routing.undecided)


def _all_alike(routing: HttpRouting) -> bool:
    """Whether what is undecided makes no difference: it is only which of several equal routes the request takes."""
    if any(not item.startswith("route match ") for item in routing.undecided):
        return False
    return len({(path.route, path.upstreams) for path in routing.paths}) == 1


@dataclass(frozen=True, slots=True)
class _Way:
    """What happens to `share` of the connections."""

    share: float
    outcome: Outcome
    cause: str


def _ways(path: HttpPath) -> Iterator[_Way]:
    faulted = path.route.fault.share if path.route.fault else 0.0
    if faulted:
        yield _Way(path.share * faulted, Outcome.FAULTED, "FAULT")
    rest = 1 - faulted
    if rest <= 0:
        return
    if path.route.status:
        cause = "REDIRECTED" if path.route.location else "DIRECT_RESPONSE"
        cause = "NO_ROUTE" if path.route.missing else cause
        yield _Way(path.share * rest, Outcome.BLOCKED, cause)
    for upstream in path.upstreams:
        yield _Way(upstream.share * rest, upstream.outcome, upstream.cause)


def _decide(ways: Sequence[_Way]) -> LiveDecision:
    """The outcome of the largest share; of equals, the first."""
    shares: dict[Outcome, float] = {}
    for way in ways:
        shares[way.outcome] = shares.get(way.outcome, 0.0) + way.share
    if not shares:
        return LiveDecision(Outcome.INCONCLUSIVE, "UNDECIDED")
    outcome = max(shares, key=lambda each: shares[each])
    cause = max((way for way in ways if way.outcome is outcome), key=lambda way: way.share).cause
    return LiveDecision(outcome, cause, shares)


def _merged(upstreams: Iterator[LiveUpstream]) -> tuple[LiveUpstream, ...]:
    """One of each cluster, with the sum of its shares."""
    found: dict[str, LiveUpstream] = {}
    for upstream in upstreams:
        share = found[upstream.cluster].share if upstream.cluster in found else 0.0
        found[upstream.cluster] = replace(upstream, share=share + upstream.share)
    return tuple(found.values())


def _certain(outcome: Outcome, cause: str, *, listener: str = "") -> LiveDecision:
    return LiveDecision(outcome, cause, {outcome: 1.0}, listener=listener)


def _undecided(decision: LiveDecision, items: Sequence[str]) -> LiveDecision:
    """The decision if any of these items may change it."""
    if not items:
        return decision
    undecided = tuple(dict.fromkeys((*decision.undecided, *items)))
    return replace(
        decision,
        outcome=Outcome.INCONCLUSIVE,
        cause="UNDECIDED",
        shares={Outcome.INCONCLUSIVE: 1.0},
        undecided=undecided,
    )
