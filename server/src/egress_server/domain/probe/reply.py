"""Whether the destination itself answered a connection that left the sidecar, and why not.

The sidecar's response flags are not visible to a client. But it adds how long the destination took to every response
that it forwards, and not to its own.
"""

from egress_server.domain.probe.evidence import Destination, Evidence, TlsCluster, UpstreamDelta
from egress_server.domain.probe.verdicts import Cause, Reply

_TLS_PORT = ":443"


def answered_by_sidecar(evidence: Evidence) -> bool:
    """Whether an error response is the sidecar's own."""
    is_error = evidence.status >= 500 and evidence.header("server") == "envoy"
    return is_error and not evidence.header("x-envoy-upstream-service-time")


def reply_of(destination: Destination, evidence: Evidence, upstream: UpstreamDelta) -> tuple[Reply, tuple[Cause, ...]]:
    """What the client got through `upstream`, and the cause of a failure."""
    if destination.scheme == "tcp":
        return Reply.ANSWERED, ()
    if destination.speaks_tls and evidence.timings.tls is None:
        if evidence.timed_out and not tls_origin(evidence, upstream.cluster):
            return Reply.MISSING, ()
        return Reply.FAILED, (_handshake_failure(evidence, upstream),)
    if destination.only_connects:
        return Reply.ANSWERED, ()
    if not evidence.status:
        text = "it was sent, but there was no response"
        return Reply.MISSING, (Cause("NO_RESPONSE", text, evidence.answer),)
    if destination.scheme == "http" and answered_by_sidecar(evidence):
        return _by_sidecar(evidence, upstream)
    return Reply.ANSWERED, ()


def tls_origin(evidence: Evidence, cluster: str) -> TlsCluster | None:
    """The TLS that the sidecar itself starts to the hosts of `cluster`, if it does."""
    return next((tls for tls in evidence.tls_clusters if tls.name == cluster), None)


def describe_tls(tls: TlsCluster) -> str:
    """Who sets the TLS to a cluster."""
    return f"DestinationRule {tls.destination_rule}" if tls.destination_rule else "the sidecar"


def _handshake_failure(evidence: Evidence, upstream: UpstreamDelta) -> Cause:
    if tls := tls_origin(evidence, upstream.cluster):
        text = (
            f"{describe_tls(tls)} starts TLS to the destination, so the client's own TLS was encrypted a second time "
            "and its handshake failed"
        )
        return Cause("DOUBLE_TLS", text, evidence.answer)
    return Cause("TLS_HANDSHAKE_FAILED", "it was sent, but the TLS handshake failed", evidence.answer)


def _by_sidecar(evidence: Evidence, upstream: UpstreamDelta) -> tuple[Reply, tuple[Cause, ...]]:
    observed = f"{evidence.answer}, without x-envoy-upstream-service-time"
    if evidence.status == 504:
        text = "the destination did not answer within the timeout of its route, so the sidecar answered itself"
        return Reply.MISSING, (Cause("UPSTREAM_TIMEOUT", text, observed),)
    if upstream.address.endswith(_TLS_PORT) and not tls_origin(evidence, upstream.cluster):
        text = (
            "the sidecar sent plain HTTP to port 443 of the destination, which expects TLS there, and answered itself; "
            "TLS origination is missing"
        )
        return Reply.FAILED, (Cause("PLAIN_HTTP_TO_TLS", text, f"{observed}; sent to {upstream.address}"),)
    text = (
        "the destination closed the connection or does not speak the protocol that its port declares, so the sidecar "
        "answered itself"
    )
    return Reply.FAILED, (Cause("UPSTREAM_PROTOCOL_ERROR", text, observed),)
