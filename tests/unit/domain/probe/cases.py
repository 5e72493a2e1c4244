"""Evidence of probes, as an agent reports it, and the verdicts on it."""

from dataclasses import dataclass, replace

from egress_server.domain.probe.evidence import Destination, Evidence, LiveFault, Timings, UpstreamDelta
from egress_server.domain.probe.verdicts import Outcome

HOST = "www.aliyun.com"
HTTP = Destination("http", HOST, 80)
HTTPS = Destination("https", HOST, 443)
DIALLED = "203.0.113.10:80"

ENTRY = "outbound|80||www.aliyun.com"
LED_TO = "outbound|80||led.example.com"
TLS_ENTRY = "outbound|443||www.aliyun.com"
PASSTHROUGH = "PassthroughCluster"

SEEN = Evidence(captured=True, address=DIALLED)
MOVED = replace(SEEN, status=301, http_version="HTTP/1.1", headers=(("server", "envoy"),))
BLOCKED_502 = replace(MOVED, status=502)
ENVOY_503 = replace(MOVED, status=503)
CLOSED = replace(SEEN, error="connection reset while waiting for the response")
TLS_CUT = replace(SEEN, tls_error="connection closed in the TLS handshake")
TLS_DONE = replace(SEEN, status=200, headers=(("Server", "Tengine"),), timings=Timings(tls=0.01))
LATE = replace(SEEN, error="timed out while waiting for the response", timings=Timings(total=0.5))

TCP = Destination("tcp", "db.example.com", 3306)
TLS = Destination("tls", HOST, 443)
DB = "outbound|3306||db.example.com"

ABORT = LiveFault("fault-default.f", "default/egress-www", http_status=503)
BAD = LiveFault("fault-default.g", "default/egress-www", http_status=502)
UNAVAILABLE = LiveFault("fault-default.h", "default/egress-www", grpc_status=14)
DELAY = LiveFault("fault-default.d", "default/egress-www", delay=2.0)
GRPC_200 = replace(MOVED, status=200)
GRPC_5 = replace(GRPC_200, headers=(("grpc-status", "5"),))


def served(milliseconds: int) -> tuple[tuple[str, str], ...]:
    """Headers in which the sidecar reports how long the destination took."""
    return (("server", "envoy"), ("x-envoy-upstream-service-time", str(milliseconds)))


SERVED_503 = replace(ENVOY_503, headers=served(3))
OVERLOADED = replace(ENVOY_503, headers=(("server", "envoy"), ("x-envoy-overloaded", "true")))
SLOW = replace(MOVED, headers=served(12), timings=Timings(response=2.01), live_faults=(DELAY,))


def one(cluster: str, address: str = DIALLED) -> UpstreamDelta:
    """A connection that carried a stream."""
    return UpstreamDelta(cluster, address, cx_total=1, rq_total=1)


def failed(cluster: str, times: int = 1) -> UpstreamDelta:
    """Connections that could not be established."""
    return UpstreamDelta(cluster, DIALLED, cx_total=times, cx_connect_fail=times)


def opened(cluster: str) -> UpstreamDelta:
    """A connection that carries nothing yet."""
    return UpstreamDelta(cluster, DIALLED, cx_total=1)


@dataclass(frozen=True)
class Case:
    name: str
    destination: Destination
    evidence: Evidence
    upstreams: tuple[UpstreamDelta, ...]
    outcome: Outcome
    code: str
    upstream: str = ""
    warming: tuple[str, ...] = ()
