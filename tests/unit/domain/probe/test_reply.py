"""What a client gets through a connection that left the sidecar: the destination's answer, or something else."""

from dataclasses import replace

import pytest

from egress_server.domain.probe.evidence import Destination, Evidence, Timings, TlsCluster
from egress_server.domain.probe.judge import judge
from egress_server.domain.probe.verdicts import Outcome, Reply
from tests.unit.domain.probe.cases import (
    BLOCKED_502,
    CLOSED,
    DB,
    ENTRY,
    ENVOY_503,
    HTTP,
    HTTPS,
    LATE,
    MOVED,
    PASSTHROUGH,
    SEEN,
    TCP,
    TLS,
    TLS_CUT,
    TLS_DONE,
    TLS_ENTRY,
    Case,
    failed,
    one,
)

CASES = [
    # It was sent, but what the client got is not the destination's answer.
    Case("the sidecar's 503", HTTP, ENVOY_503, (one(ENTRY),), Outcome.REGISTERED, "UPSTREAM_PROTOCOL_ERROR", ENTRY),
    Case("the sidecar's 502", HTTP, BLOCKED_502, (one(ENTRY),), Outcome.REGISTERED, "UPSTREAM_PROTOCOL_ERROR", ENTRY),
    Case(
        *("the sidecar's timeout", HTTP, replace(MOVED, status=504), (one(ENTRY),)),
        *(Outcome.REGISTERED, "UPSTREAM_TIMEOUT", ENTRY),
    ),
    Case(
        *("plain HTTP to a TLS port", HTTP, ENVOY_503, (one(ENTRY, "203.0.113.10:443"),)),
        *(Outcome.REGISTERED, "PLAIN_HTTP_TO_TLS", ENTRY),
    ),
    Case(
        "the sidecar's 503 to a TLS port that gets TLS",
        HTTP,
        replace(ENVOY_503, tls_clusters=(TlsCluster(ENTRY),)),
        (one(ENTRY, "203.0.113.10:443"),),
        *(Outcome.REGISTERED, "UPSTREAM_PROTOCOL_ERROR", ENTRY),
    ),
    Case(
        "TLS in TLS",
        HTTPS,
        replace(TLS_CUT, tls_clusters=(TlsCluster(TLS_ENTRY, "default/all"),)),
        (one(TLS_ENTRY),),
        *(Outcome.REGISTERED, "DOUBLE_TLS", TLS_ENTRY),
    ),
    Case(
        "TLS in TLS, and a destination that waits",
        HTTPS,
        replace(SEEN, tls_error="timed out in the TLS handshake", tls_clusters=(TlsCluster(TLS_ENTRY, "default/all"),)),
        (one(TLS_ENTRY),),
        *(Outcome.REGISTERED, "DOUBLE_TLS", TLS_ENTRY),
    ),
    Case(
        *("TLS too slow", HTTPS, replace(SEEN, tls_error="timed out in the TLS handshake"), (one(TLS_ENTRY),)),
        *(Outcome.REGISTERED, "REGISTERED_UPSTREAM", TLS_ENTRY),
    ),
    Case(
        *("passed through to no TLS server", HTTPS, TLS_CUT, (one(PASSTHROUGH),)),
        *(Outcome.PASSTHROUGH, "TLS_HANDSHAKE_FAILED", PASSTHROUGH),
    ),
    Case(
        *("passed to where the sidecar resolves", HTTP, MOVED, (one("AllowAnyDynamicDNSCluster", "198.51.100.1:80"),)),
        *(Outcome.PASSTHROUGH, "UNREGISTERED_PASSED", "AllowAnyDynamicDNSCluster"),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_verdict(case: Case) -> None:
    """It left the sidecar; the first cause is what went wrong then."""
    verdict = judge(case.destination, replace(case.evidence, upstreams=case.upstreams))
    assert (verdict.outcome, verdict.causes[0].code, verdict.upstream) == (case.outcome, case.code, case.upstream)


@pytest.mark.parametrize(
    ("destination", "evidence", "cluster", "reply"),
    [
        (HTTP, MOVED, ENTRY, Reply.ANSWERED),
        (HTTP, ENVOY_503, ENTRY, Reply.FAILED),
        (HTTP, LATE, ENTRY, Reply.MISSING),
        (HTTP, replace(MOVED, status=504), ENTRY, Reply.MISSING),
        (HTTPS, TLS_DONE, TLS_ENTRY, Reply.ANSWERED),
        (HTTPS, TLS_CUT, TLS_ENTRY, Reply.FAILED),
        (HTTPS, replace(SEEN, tls_error="timed out in the TLS handshake"), TLS_ENTRY, Reply.MISSING),
        (HTTPS, replace(CLOSED, timings=Timings(tls=0.01)), TLS_ENTRY, Reply.MISSING),
        (TLS, replace(TLS_DONE, status=0), TLS_ENTRY, Reply.ANSWERED),
        (TLS, TLS_CUT, TLS_ENTRY, Reply.FAILED),
        (TCP, CLOSED, DB, Reply.ANSWERED),
    ],
)
def test_reply(destination: Destination, evidence: Evidence, cluster: str, reply: Reply) -> None:
    """What the client got, apart from where the connection went."""
    assert judge(destination, replace(evidence, upstreams=(one(cluster),))).reply is reply


def test_refused_by_a_server_that_gets_tls() -> None:
    """If the sidecar starts TLS, its handshake may be what failed."""
    evidence = replace(ENVOY_503, upstreams=(failed(ENTRY),), tls_clusters=(TlsCluster(ENTRY, "default/all"),))
    assert (
        judge(HTTP, evidence)
        .causes[0]
        .text.endswith("or the TLS handshake that DestinationRule default/all starts failed")
    )
