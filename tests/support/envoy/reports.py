"""A report with every field set, for what carries it from the agent to its caller."""

from egress_server.domain.live.decision import LiveDecision, LiveReport, LiveUpstream, MatchedRoute, RouteFault
from egress_server.domain.probe.verdicts import Outcome

REPORT = LiveReport(
    LiveDecision(
        Outcome.FAULTED,
        "FAULT",
        {Outcome.FAULTED: 0.75, Outcome.REGISTERED: 0.25},
        listener="0.0.0.0_80",
        filter_chain="http",
        sees_requests=True,
        owner="shop/v",
        routes=(
            MatchedRoute(
                *("80", "www.example.com:80", "r", "shop/v", 302, "b.example.com/c"),
                fault=RouteFault(1.5, 0.5, 503, None, 0.5),
                timeout=0.0,
                retries=2,
                rewritten_host="c.example.com",
            ),
            MatchedRoute("80", status=404, missing=True, fault=RouteFault(grpc_status=0, abort_share=1.0)),
        ),
        upstreams=(
            LiveUpstream(
                *("outbound|80|v1|www.example.com", 0.5, Outcome.REGISTERED, "SENT", "www.example.com", 80, "v1"),
                endpoints=("192.0.2.1:80",),
                originates_tls=True,
                sni="www.example.com",
                http2=True,
                destination_rule="shop/d",
            ),
            LiveUpstream("PassthroughCluster", 0.25, Outcome.PASSTHROUGH, "UNREGISTERED_PASSED"),
            LiveUpstream("outbound|80||empty", 0.25, Outcome.UNREACHABLE, "NO_UPSTREAM_ADDRESS", endpoints=()),
        ),
        undecided=("HTTP filter x",),
    ),
    address="203.0.113.10",
    problem="none",
    versions={"cds": "7", "lds": "8"},
    updated="2026-12-01T02:33:39.657Z",
    proxy_version="1.31.0",
    rejected=("0.0.0.0_80: too bad",),
    warming=("outbound|80||b",),
)
