"""From evidence to verdict: every row of the table, and evidence that must not be mistaken for it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from egress_server.domain.probe.evidence import Destination, Evidence, Timings, UpstreamDelta
from egress_server.domain.probe.judge import is_disturbed, judge
from egress_server.domain.probe.verdicts import Outcome
from tests.unit.domain.probe.cases import (
    ABORT,
    BAD,
    BLOCKED_502,
    CLOSED,
    DB,
    DELAY,
    DIALLED,
    ENTRY,
    ENVOY_503,
    GRPC_5,
    GRPC_200,
    HOST,
    HTTP,
    HTTPS,
    LATE,
    LED_TO,
    MOVED,
    OVERLOADED,
    PASSTHROUGH,
    SEEN,
    SERVED_503,
    SLOW,
    TCP,
    TLS,
    TLS_CUT,
    TLS_DONE,
    TLS_ENTRY,
    UNAVAILABLE,
    Case,
    failed,
    one,
    opened,
    served,
)

CASES = [
    # It was sent.
    Case("entry, http", HTTP, MOVED, (one(ENTRY),), Outcome.REGISTERED, "REGISTERED_UPSTREAM", ENTRY),
    Case("entry, https", HTTPS, TLS_DONE, (one(TLS_ENTRY),), Outcome.REGISTERED, "REGISTERED_UPSTREAM", TLS_ENTRY),
    Case(
        *("entry, connection kept from before", HTTP, MOVED, (UpstreamDelta(ENTRY, DIALLED, rq_total=1),)),
        *(Outcome.REGISTERED, "REGISTERED_UPSTREAM", ENTRY),
    ),
    Case(
        *("entry, second try connects", HTTP, MOVED, (failed(ENTRY), one(ENTRY, "203.0.113.11:80"))),
        *(Outcome.REGISTERED, "REGISTERED_UPSTREAM", ENTRY),
    ),
    Case(
        *("origin's own 502", HTTP, replace(BLOCKED_502, headers=served(3)), (one(ENTRY),)),
        *(Outcome.REGISTERED, "REGISTERED_UPSTREAM", ENTRY),
    ),
    Case(
        "origin's own reset", HTTPS, TLS_CUT, (one(TLS_ENTRY),), Outcome.REGISTERED, "TLS_HANDSHAKE_FAILED", TLS_ENTRY
    ),
    Case("origin too slow", HTTP, LATE, (one(ENTRY),), Outcome.REGISTERED, "NO_RESPONSE", ENTRY),
    Case(
        *("wildcard entry", HTTP, MOVED, (one("outbound|80||*.aliyun.com"),)),
        *(Outcome.REGISTERED, "REGISTERED_UPSTREAM", "outbound|80||*.aliyun.com"),
    ),
    Case(
        *("subset of the entry", HTTP, MOVED, (one("outbound|80|v1|www.aliyun.com"),)),
        *(Outcome.REGISTERED, "REGISTERED_UPSTREAM", "outbound|80|v1|www.aliyun.com"),
    ),
    Case("no entry, http", HTTP, MOVED, (one(PASSTHROUGH),), Outcome.PASSTHROUGH, "UNREGISTERED_PASSED", PASSTHROUGH),
    Case(
        *("no entry, https", HTTPS, TLS_DONE, (one(PASSTHROUGH),)),
        *(Outcome.PASSTHROUGH, "UNREGISTERED_PASSED", PASSTHROUGH),
    ),
    Case(
        *("a TCP service takes the whole port", HTTPS, TLS_DONE, (one("outbound|443||db.example.com"),)),
        *(Outcome.REGISTERED, "TAKEN_BY_PORT", "outbound|443||db.example.com"),
    ),
    Case(
        *("a final dot, not part of a server name", Destination("https", f"{HOST}.", 443), TLS_DONE, (one(TLS_ENTRY),)),
        *(Outcome.REGISTERED, "REGISTERED_UPSTREAM", TLS_ENTRY),
    ),
    # It was let through and did not arrive.
    Case("refused", HTTP, ENVOY_503, (failed(ENTRY, 3),), Outcome.UNREACHABLE, "UPSTREAM_CONNECT_FAILED", ENTRY),
    Case(
        *("refused, passed through", HTTPS, TLS_CUT, (failed(PASSTHROUGH),)),
        *(Outcome.UNREACHABLE, "UPSTREAM_CONNECT_FAILED", PASSTHROUGH),
    ),
    Case(
        *("still connecting", HTTP, LATE, (opened(PASSTHROUGH),)),
        *(Outcome.UNREACHABLE, "UPSTREAM_CONNECT_PENDING", PASSTHROUGH),
    ),
    Case(
        *("entry without address, http", HTTP, ENVOY_503, (UpstreamDelta(ENTRY, ""),)),
        *(Outcome.UNREACHABLE, "NO_UPSTREAM_ADDRESS", ENTRY),
    ),
    Case(
        *("entry without address, https", HTTPS, TLS_CUT, (UpstreamDelta(TLS_ENTRY, ""),)),
        *(Outcome.UNREACHABLE, "NO_UPSTREAM_ADDRESS", TLS_ENTRY),
    ),
    Case(
        *("a service of the port without address, tcp", TCP, CLOSED, (UpstreamDelta("outbound|3306||db.svc", ""),)),
        *(Outcome.UNREACHABLE, "NO_UPSTREAM_ADDRESS", "outbound|3306||db.svc"),
    ),
    # It was refused.
    Case("blocked, http", HTTP, BLOCKED_502, (), Outcome.BLOCKED, "BLOCKED_HTTP"),
    Case("blocked, https", HTTPS, TLS_CUT, (), Outcome.BLOCKED, "BLOCKED_CLOSED"),
    Case("blocked, HTTP on an unregistered port", HTTP, CLOSED, (), Outcome.BLOCKED, "BLOCKED_CLOSED"),
    Case(
        *("blocked while others pass through", HTTP, BLOCKED_502, (one(PASSTHROUGH, "198.51.100.1:80"),)),
        *(Outcome.BLOCKED, "BLOCKED_HTTP"),
    ),
    Case(
        *("blocked while others use another host", HTTP, BLOCKED_502, (one("outbound|80||other.example.com"),)),
        *(Outcome.BLOCKED, "BLOCKED_HTTP"),
    ),
    Case(
        *("blocked while others use another port", HTTPS, TLS_CUT, (one("outbound|80||other.example.com"),)),
        *(Outcome.BLOCKED, "BLOCKED_CLOSED"),
    ),
    Case(
        *("blocked, counters of a cluster that is not a service", HTTP, BLOCKED_502, (one("xds-grpc"),)),
        *(Outcome.BLOCKED, "BLOCKED_HTTP"),
    ),
    # Inconclusive.
    Case(
        *("two connections", HTTP, MOVED, (UpstreamDelta(ENTRY, DIALLED, cx_total=2, rq_total=1),)),
        *(Outcome.INCONCLUSIVE, "COUNTERS_DISTURBED"),
    ),
    Case(
        *("two streams", HTTP, MOVED, (UpstreamDelta(ENTRY, DIALLED, rq_total=2),)),
        *(Outcome.INCONCLUSIVE, "COUNTERS_DISTURBED"),
    ),
    Case("two ways", HTTP, MOVED, (one(ENTRY), one(PASSTHROUGH)), Outcome.INCONCLUSIVE, "COUNTERS_DISTURBED"),
    Case(
        *("answered, yet only a connection was opened", HTTP, MOVED, (opened(ENTRY),)),
        *(Outcome.INCONCLUSIVE, "COUNTERS_DISTURBED"),
    ),
    Case(
        *("cut while another host's port moves", HTTPS, TLS_CUT, (one("outbound|443||other.example.com"),)),
        *(Outcome.INCONCLUSIVE, "COUNTERS_DISTURBED"),
    ),
    Case("warming", HTTP, BLOCKED_502, (), Outcome.INCONCLUSIVE, "CLUSTER_WARMING", warming=(ENTRY,)),
    Case("another one warms", HTTP, BLOCKED_502, (), Outcome.BLOCKED, "BLOCKED_HTTP", warming=(TLS_ENTRY,)),
    Case("a service of the port warms", TCP, CLOSED, (), Outcome.INCONCLUSIVE, "CLUSTER_WARMING", warming=(DB,)),
    Case("silence", HTTP, LATE, (), Outcome.INCONCLUSIVE, "TIMED_OUT"),
    Case(
        *("silence in TLS", HTTPS, replace(SEEN, tls_error="timed out in the TLS handshake"), ()),
        *(Outcome.INCONCLUSIVE, "TIMED_OUT"),
    ),
    Case("answered without an upstream", HTTP, MOVED, (), Outcome.INCONCLUSIVE, "NO_UPSTREAM_EVIDENCE"),
    Case("TLS without an upstream", HTTPS, TLS_DONE, (), Outcome.INCONCLUSIVE, "NO_UPSTREAM_EVIDENCE"),
    Case("a 503 without reason", HTTP, ENVOY_503, (), Outcome.INCONCLUSIVE, "NO_UPSTREAM_EVIDENCE"),
    Case(
        *("a route to what is not there", HTTP, replace(ENVOY_503, routed_to=(ENTRY,), unknown_clusters=(ENTRY,)), ()),
        *(Outcome.BLOCKED, "ROUTE_LEADS_NOWHERE"),
    ),
    Case(
        *(
            "routes of which one is there",
            HTTP,
            replace(ENVOY_503, routed_to=(ENTRY, LED_TO), unknown_clusters=(ENTRY,)),
        ),
        *((), Outcome.BLOCKED, "ROUTE_LEADS_NOWHERE"),
    ),
    Case(
        *("no host of its route is healthy", HTTP, replace(ENVOY_503, routed_to=(ENTRY,)), ()),
        *(Outcome.UNREACHABLE, "NO_HEALTHY_UPSTREAM", ENTRY),
    ),
    Case(
        *("too many connections", HTTP, replace(OVERLOADED, routed_to=(ENTRY,)), ()),
        *(Outcome.UNREACHABLE, "UPSTREAM_LIMIT_REACHED", ENTRY),
    ),
    Case(
        *("redirected by its route", HTTP, replace(MOVED, route_answers=(301,), routed_by=("shop/x",)), ()),
        *(Outcome.BLOCKED, "ANSWERED_BY_ROUTE"),
    ),
    Case(
        *("a route that would answer otherwise", HTTP, replace(MOVED, route_answers=(418,), routed_by=("shop/x",)), ()),
        *(Outcome.INCONCLUSIVE, "NO_UPSTREAM_EVIDENCE"),
    ),
    Case(
        *("the origin answers as another route would", HTTP, replace(MOVED, route_answers=(301,)), (one(ENTRY),)),
        *(Outcome.REGISTERED, "REGISTERED_UPSTREAM", ENTRY),
    ),
    Case(
        "aborted on a route that answers itself",
        HTTP,
        replace(ENVOY_503, route_answers=(503,), live_faults=(ABORT,)),
        *((), Outcome.FAULTED, "FAULT_ABORT"),
    ),
    Case("nothing at all", HTTP, SEEN, (), Outcome.INCONCLUSIVE, "NO_UPSTREAM_EVIDENCE"),
    Case(
        *("no name", HTTP, Evidence(captured=False, error="Name or service not known"), ()),
        *(Outcome.INCONCLUSIVE, "NAME_NOT_RESOLVED"),
    ),
    # It bypassed the sidecar.
    Case("not captured", HTTP, replace(MOVED, captured=False), (), Outcome.BYPASSED, "NOT_CAPTURED"),
    Case("not captured, refused", HTTP, replace(CLOSED, captured=False), (), Outcome.BYPASSED, "NOT_CAPTURED"),
    Case(
        *("not captured, while others use another host", HTTP, replace(MOVED, captured=False)),
        *((one("outbound|80||other.example.com"),), Outcome.BYPASSED, "NOT_CAPTURED"),
    ),
    Case(
        *("not captured, while others use the same", HTTP, replace(MOVED, captured=False), (one(ENTRY),)),
        *(Outcome.INCONCLUSIVE, "COUNTERS_DISTURBED"),
    ),
    # A fault caused it.
    Case("abort", HTTP, replace(ENVOY_503, live_faults=(ABORT,)), (), Outcome.FAULTED, "FAULT_ABORT"),
    Case("abort with 502", HTTP, replace(BLOCKED_502, live_faults=(BAD,)), (), Outcome.FAULTED, "FAULT_ABORT"),
    Case(
        *("abort while others use another host", HTTP, replace(ENVOY_503, live_faults=(ABORT,))),
        *((one("outbound|80||other.example.com"),), Outcome.FAULTED, "FAULT_ABORT"),
    ),
    Case("gRPC abort", HTTP, replace(GRPC_200, live_faults=(UNAVAILABLE,)), (), Outcome.FAULTED, "FAULT_ABORT"),
    Case("the other of two", HTTP, replace(ENVOY_503, live_faults=(BAD, ABORT)), (), Outcome.FAULTED, "FAULT_ABORT"),
    Case("delay", HTTP, SLOW, (one(ENTRY),), Outcome.FAULTED, "FAULT_DELAY", ENTRY),
    Case("delay that outlasts", HTTP, replace(LATE, live_faults=(DELAY,)), (), Outcome.FAULTED, "FAULT_DELAY"),
    Case(
        *("delay, then no way on", HTTP, replace(SLOW, status=503, headers=()), ()),
        *(Outcome.FAULTED, "FAULT_DELAY"),
    ),
    # It looks like a fault, but is not one.
    Case(
        *("origin's own 503 during a live abort", HTTP, replace(SERVED_503, live_faults=(ABORT,)), (one(ENTRY),)),
        *(Outcome.REGISTERED, "REGISTERED_UPSTREAM", ENTRY),
    ),
    Case(
        "502 during a live 503", HTTP, replace(BLOCKED_502, live_faults=(ABORT,)), (), Outcome.BLOCKED, "BLOCKED_HTTP"
    ),
    Case(
        *("gRPC status that is another", HTTP, replace(GRPC_5, live_faults=(UNAVAILABLE,)), ()),
        *(Outcome.INCONCLUSIVE, "NO_UPSTREAM_EVIDENCE"),
    ),
    Case("503 without a live fault", HTTP, ENVOY_503, (), Outcome.INCONCLUSIVE, "NO_UPSTREAM_EVIDENCE"),
    Case(
        *("slow origin", HTTP, replace(SLOW, headers=served(2000)), (one(ENTRY),)),
        *(Outcome.REGISTERED, "REGISTERED_UPSTREAM", ENTRY),
    ),
    Case(
        *("slow, for an unknown reason", HTTP, replace(SLOW, headers=()), (one(ENTRY),)),
        *(Outcome.REGISTERED, "REGISTERED_UPSTREAM", ENTRY),
    ),
    Case(
        *("slow without a live fault", HTTP, replace(SLOW, live_faults=()), (one(ENTRY),)),
        *(Outcome.REGISTERED, "REGISTERED_UPSTREAM", ENTRY),
    ),
    Case(
        *("fast during a live delay", HTTP, replace(SLOW, timings=Timings(response=0.02)), (one(ENTRY),)),
        *(Outcome.REGISTERED, "REGISTERED_UPSTREAM", ENTRY),
    ),
    Case(
        *("silence longer than the delay", HTTP, replace(LATE, timings=Timings(total=9.0), live_faults=(DELAY,)), ()),
        *(Outcome.INCONCLUSIVE, "TIMED_OUT"),
    ),
    Case(
        *("warming during a live fault", HTTP, replace(ENVOY_503, live_faults=(ABORT,)), ()),
        *(Outcome.INCONCLUSIVE, "CLUSTER_WARMING", "", (ENTRY,)),
    ),
    # Connections that send nothing.
    Case("tcp passed", TCP, SEEN, (one(PASSTHROUGH),), Outcome.PASSTHROUGH, "UNREGISTERED_PASSED", PASSTHROUGH),
    Case("tcp registered", TCP, SEEN, (one(DB),), Outcome.REGISTERED, "REGISTERED_UPSTREAM", DB),
    Case("tcp cut", TCP, CLOSED, (), Outcome.BLOCKED, "BLOCKED_CLOSED"),
    Case("tcp silence", TCP, LATE, (), Outcome.INCONCLUSIVE, "TIMED_OUT"),
    Case("tcp still connecting", TCP, LATE, (opened(DB),), Outcome.UNREACHABLE, "UPSTREAM_CONNECT_PENDING", DB),
    Case("tcp refused upstream", TCP, CLOSED, (failed(DB),), Outcome.UNREACHABLE, "UPSTREAM_CONNECT_FAILED", DB),
    Case(
        *("tcp taken by another", TCP, SEEN, (one("outbound|3306||other.example.com"),)),
        *(Outcome.REGISTERED, "TAKEN_BY_PORT", "outbound|3306||other.example.com"),
    ),
    Case(
        "tls", TLS, replace(TLS_DONE, status=0), (one(TLS_ENTRY),), Outcome.REGISTERED, "REGISTERED_UPSTREAM", TLS_ENTRY
    ),
    Case("tls cut", TLS, TLS_CUT, (), Outcome.BLOCKED, "BLOCKED_CLOSED"),
    # A route leads to another service.
    Case(
        *("routed elsewhere", HTTP, replace(MOVED, routed_to=("outbound|8080||other.example.com",))),
        *((one("outbound|8080||other.example.com"),), Outcome.REGISTERED, "REGISTERED_UPSTREAM"),
        "outbound|8080||other.example.com",
    ),
    Case(
        *("refused by the agent", HTTP, Evidence(captured=False, refused="ADDRESS_FORBIDDEN"), ()),
        *(Outcome.INCONCLUSIVE, "ADDRESS_FORBIDDEN"),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_verdict(case: Case) -> None:
    """Each kind of evidence has its verdict, with a cause that quotes the evidence."""
    verdict = judge(case.destination, replace(case.evidence, upstreams=case.upstreams, warming_clusters=case.warming))
    assert (verdict.outcome, verdict.causes[0].code) == (case.outcome, case.code)
    assert verdict.upstream == case.upstream
    assert verdict.causes[0].text
    assert is_disturbed(verdict) == (case.code == "COUNTERS_DISTURBED")


def test_owners_of_routes() -> None:
    """A verdict names the VirtualServices of the routes."""
    assert judge(HTTP, replace(MOVED, routed_by=("shop/x",), upstreams=(one(ENTRY),))).routed_by == ("shop/x",)


def test_cause_quotes_counters() -> None:
    """A cause quotes the counters."""
    verdict = judge(HTTP, replace(MOVED, upstreams=(one(ENTRY),)))
    assert verdict.causes[0].evidence == (
        "outbound|80||www.aliyun.com at 203.0.113.10:80: cx_total +1, cx_connect_fail +0, rq_total +1"
    )


def test_cause_quotes_the_answer() -> None:
    """A cause without counters quotes the answer instead."""
    verdict = judge(HTTP, BLOCKED_502)
    assert verdict.causes[0].evidence == ("HTTP/1.1 502, server: envoy; no upstream counter of www.aliyun.com changed")


_clusters = st.sampled_from(
    [ENTRY, TLS_ENTRY, PASSTHROUGH, "BlackHoleCluster", "outbound|80||*", "outbound|443||x.example", "a|b"]
)
_texts = st.sampled_from(["", "connection closed in the TLS handshake", "timed out", "x"])
_counts = st.integers(min_value=-1, max_value=3)
_evidence = st.builds(
    Evidence,
    captured=st.booleans(),
    status=st.sampled_from([0, 200, 301, 502, 503]),
    headers=st.sampled_from([(), (("server", "envoy"),)]),
    tls_error=_texts,
    error=_texts,
    timings=st.builds(Timings, tls=st.sampled_from([None, 0.1]), response=st.sampled_from([None, 0.1, 2.1])),
    address=st.sampled_from(["", DIALLED]),
    upstreams=st.lists(
        st.builds(
            UpstreamDelta,
            cluster=_clusters,
            address=st.sampled_from(["", DIALLED, "198.51.100.1:80"]),
            cx_total=_counts,
            cx_connect_fail=_counts,
            rq_total=_counts,
        ),
        max_size=4,
    ).map(tuple),
    warming_clusters=st.lists(_clusters, max_size=2).map(tuple),
    refused=st.sampled_from(["", "ADDRESS_FORBIDDEN"]),
    live_faults=st.lists(st.sampled_from([ABORT, BAD, DELAY, UNAVAILABLE]), max_size=2).map(tuple),
)


@given(st.sampled_from([HTTP, HTTPS, TLS, TCP]), _evidence)
def test_judge_is_total(destination: Destination, evidence: Evidence) -> None:
    """Any evidence gets a verdict with a cause; what was not captured is BYPASSED or inconclusive; an upstream is named
    only if the connection was sent, or a fault delayed it first."""
    verdict = judge(destination, evidence)
    assert verdict.causes[0].code.isupper()
    if verdict.outcome is not Outcome.INCONCLUSIVE:
        assert evidence.captured is (verdict.outcome is not Outcome.BYPASSED)
        assert evidence.address
        assert not evidence.refused
    if verdict.outcome is Outcome.FAULTED:
        assert evidence.live_faults
        return
    let_go = verdict.outcome in {Outcome.REGISTERED, Outcome.PASSTHROUGH, Outcome.UNREACHABLE}
    assert bool(verdict.upstream) == let_go


@given(_evidence)
def test_blocked_means_no_counter_changed(evidence: Evidence) -> None:
    """The verdict is never BLOCKED if a counter of the destination changed."""
    if judge(HTTP, evidence).outcome is Outcome.BLOCKED:
        assert not any(
            u.cluster == ENTRY and (u.cx_total > 0 or u.cx_connect_fail > 0 or u.rq_total > 0)
            for u in evidence.upstreams
        )


def test_causes_of_a_fault() -> None:
    """Causes name the route, its VirtualService, the effect of the fault and the times that prove it."""
    (abort,) = judge(HTTP, replace(ENVOY_503, live_faults=(ABORT,))).causes
    assert abort.text == (
        "route fault-default.f of VirtualService default/egress-www aborts requests with HTTP 503, "
        "and this one never left the sidecar"
    )
    assert abort.evidence == "HTTP/1.1 503, server: envoy; no upstream counter of www.aliyun.com changed"
    delay, way = judge(HTTP, replace(SLOW, upstreams=(one(ENTRY),))).causes
    assert delay.text == (
        "route fault-default.d of VirtualService default/egress-www delays requests by 2 s, "
        "and this one was delayed before it was sent"
    )
    assert delay.evidence == "answered after 2.010 s, of which the destination took 0.012 s"
    assert way.code == "REGISTERED_UPSTREAM"
    both = replace(ABORT, delay=2.0)
    late = replace(ENVOY_503, timings=Timings(response=2.0), live_faults=(both,))
    assert [cause.code for cause in judge(HTTP, late).causes] == ["FAULT_ABORT", "FAULT_DELAY"]
