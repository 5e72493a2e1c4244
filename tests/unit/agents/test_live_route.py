"""Which parts of a decision become evidence of an attempt."""

from egress_server.agents.sidecar.live_route import LiveRoute, live_route
from egress_server.domain.live.decision import LiveDecision, LiveUpstream, MatchedRoute, RouteFault
from egress_server.domain.probe.evidence import LiveFault, TlsCluster
from egress_server.domain.probe.verdicts import Outcome

A = LiveUpstream(
    "outbound|80||a", 0.5, Outcome.REGISTERED, "SENT", "a", 80, originates_tls=True, destination_rule="n/d"
)
PASSED = LiveUpstream("PassthroughCluster", 1.0, Outcome.PASSTHROUGH, "UNREGISTERED_PASSED")


def decided(*upstreams: LiveUpstream, routes: tuple[MatchedRoute, ...] = (), http: bool = True) -> LiveDecision:
    """A decision with these upstreams and routes."""
    return LiveDecision(Outcome.REGISTERED, "SENT", sees_requests=http, routes=routes, upstreams=upstreams)


def test_a_request() -> None:
    """Its services, owners, answers and faults."""
    fault = RouteFault(2.5, 0.5, 503, None, 1.0)
    routes = (MatchedRoute("80", "a", "r", "n/v", fault=fault), MatchedRoute("80", "a", "s", "n/v", status=301))
    assert live_route(decided(A, PASSED, routes=routes)) == LiveRoute(
        faults=(LiveFault("r", "n/v", 2.5, 503),),
        clusters=("outbound|80||a",),
        owners=("n/v",),
        answers=(301,),
        found=True,
        tls=(TlsCluster("outbound|80||a", "n/d"),),
    )


def test_answers_of_the_mode_are_not_those_of_a_route() -> None:
    """Istio's own 502 for unregistered hosts has no owner."""
    assert live_route(decided(routes=(MatchedRoute("80", "block_all", status=502),))) == LiveRoute(found=True)


def test_a_connection_that_is_not_read() -> None:
    """Has no route, but its clusters may be missing, warming or empty."""
    found = live_route(
        decided(
            LiveUpstream("outbound|1||a", 0.2, Outcome.BLOCKED, "UNKNOWN_CLUSTER", "a", 1),
            LiveUpstream("outbound|1||b", 0.4, Outcome.INCONCLUSIVE, "CLUSTER_WARMING", "b", 1),
            LiveUpstream("outbound|1||c", 0.4, Outcome.UNREACHABLE, "NO_UPSTREAM_ADDRESS", "c", 1),
            http=False,
        )
    )
    assert (found.found, found.clusters) == (False, ())
    assert (found.unknown, found.warming, found.empty) == (("outbound|1||a",), ("outbound|1||b",), ("outbound|1||c",))
