"""What a client should see, given what the sidecar's configuration says."""

from collections.abc import Iterable

from egress_server.domain.live.decision import LiveDecision
from egress_server.domain.probe.verdicts import Outcome
from tests.mesh.harness.world.world_ports import DATABASES, HTTP, TLS
from tests.truth.workload.client import Seen
from tests.truth.world import NATURAL, Question

_SERVERS = {"http": HTTP, "https": TLS, "tls": TLS, "tcp": DATABASES}


def problem(decision: LiveDecision, question: Question, seen: Seen) -> str | None:
    """What contradicts the decision; empty if nothing does, None if a client can't tell."""
    if len([share for share in decision.shares.values() if share > 0]) != 1:
        return None
    match decision.outcome:
        case Outcome.REGISTERED | Outcome.PASSTHROUGH:
            return _sent(decision, question, seen)
        case Outcome.INCONCLUSIVE:
            return "" if seen.hung and not seen.served_by else "it should hang"
        case Outcome.FAULTED:
            return _faulted(decision, seen)
        case Outcome.BLOCKED | Outcome.UNREACHABLE:
            return f"it reached {seen.served_by}" if seen.served_by else ""
    return None


def _sent(decision: LiveDecision, question: Question, seen: Seen) -> str | None:
    servers: set[str] = set()
    for upstream in decision.upstreams:
        resolved = upstream.cluster == "AllowAnyDynamicDNSCluster" or upstream.host.startswith("*.")
        if upstream.http2 or upstream.originates_tls or (resolved and upstream.endpoints is None):
            return None
        dialed = [f"{question.address}:{question.port}"]
        servers.update(_resolved(dialed if upstream.endpoints is None else upstream.endpoints))
    if not servers or any(not _answers(server, question.scheme) for server in servers):
        return None
    return "" if seen.served_by in servers else f"it should reach {' or '.join(sorted(servers))}"


def _resolved(endpoints: Iterable[str]) -> Iterable[str]:
    for endpoint in endpoints:
        host, _, port = endpoint.rpartition(":")
        yield f"{NATURAL.get(host.lower(), host.lower())}:{port}"


def _answers(server: str, scheme: str) -> bool:
    """Whether the world has a server there that speaks the client's protocol."""
    address, _, port = server.rpartition(":")
    return address.startswith(("198.51.100.", "203.0.113.")) and int(port) in _SERVERS[scheme]


def _faulted(decision: LiveDecision, seen: Seen) -> str | None:
    rule = decision.routes[0].fault if len(decision.routes) == 1 else None
    if rule is None or not rule.http_status or rule.abort_share < 1:
        return None
    return "" if seen.status == rule.http_status and not seen.served_by else f"it should be {rule.http_status}"
