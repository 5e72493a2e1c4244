"""Converts the messages of the agent stream: attempts and their evidence."""

from dataclasses import replace
from datetime import timedelta
from urllib.parse import urlsplit

from google.protobuf.duration_pb2 import Duration

from egress.v1 import agent_service_pb2 as pb
from egress.v1 import probe_pb2
from egress_server.domain.model.errors import invalid
from egress_server.domain.model.names import Name, ResourceKind, check_label, expect_name
from egress_server.domain.probe.evidence import (
    Attempt,
    Destination,
    Evidence,
    LiveFault,
    Timings,
    TlsCluster,
    UpstreamDelta,
)
from egress_server.ports.agents import AgentInfo

_LONGEST_NAME = 253


def hello_to_proto(mesh: str, info: AgentInfo) -> pb.AttachRequest.Hello:
    """The message that identifies an agent."""
    return pb.AttachRequest.Hello(
        cluster=str(Name(mesh, ResourceKind.CLUSTER, info.cluster)),
        namespace=info.namespace,
        labels=info.labels,
        agent=info.agent,
        workload_cluster=info.workload_cluster,
        version=info.version,
    )


def hello_to_domain(hello: pb.AttachRequest.Hello) -> tuple[str, AgentInfo]:
    """The mesh and the agent. Raises InvalidArgument naming the field."""
    cluster = expect_name("hello.cluster", hello.cluster, ResourceKind.CLUSTER)
    if not 0 < len(hello.agent) <= _LONGEST_NAME or not hello.agent.isprintable():
        raise invalid("hello.agent", f"must be 1 to {_LONGEST_NAME} printable characters")
    info = AgentInfo(
        agent=hello.agent,
        cluster=cluster.id,
        namespace=check_label("hello.namespace", hello.namespace, "namespace"),
        workload_cluster=hello.workload_cluster,
        version=hello.version,
        labels=dict(hello.labels),
    )
    return cluster.mesh, info


def command_to_proto(command_id: str, attempt: Attempt) -> pb.AttemptCommand:
    """The command to make an attempt."""
    command = pb.AttemptCommand(
        id=command_id,
        url=attempt.destination.url,
        method=attempt.method,
        headers=attempt.headers,
        resolve=attempt.resolve,
    )
    command.timeout.FromTimedelta(timedelta(seconds=attempt.timeout))
    return command


def command_to_domain(command: pb.AttemptCommand) -> Attempt:
    """The attempt to make. Raises ValueError if the URL does not have the form that the server writes."""
    return Attempt(
        destination=_destination(command.url),
        method=command.method,
        headers=dict(command.headers),
        resolve=command.resolve,
        timeout=command.timeout.ToTimedelta().total_seconds(),
    )


def result_to_proto(command_id: str, evidence: Evidence) -> pb.AttemptResult:
    """The result of an attempt."""
    return pb.AttemptResult(
        id=command_id,
        attempt=attempt_to_proto(evidence),
        upstreams=[
            pb.AttemptResult.UpstreamDelta(
                cluster=u.cluster,
                address=u.address,
                cx_total=u.cx_total,
                cx_connect_fail=u.cx_connect_fail,
                rq_total=u.rq_total,
            )
            for u in evidence.upstreams
        ],
        warming_clusters=evidence.warming_clusters,
        refused=evidence.refused,
        refused_message=evidence.refused_message,
        live_faults=map(_fault_to_proto, evidence.live_faults),
        routed_to=evidence.routed_to,
        unknown_clusters=evidence.unknown_clusters,
        routed_by=evidence.routed_by,
        route_answers=evidence.route_answers,
        tls_clusters=[
            pb.AttemptResult.TlsCluster(cluster=tls.name, destination_rule=tls.destination_rule)
            for tls in evidence.tls_clusters
        ],
    )


def result_to_domain(result: pb.AttemptResult) -> Evidence:
    """The evidence in the result of an attempt."""
    attempt = result.attempt
    return Evidence(
        captured=attempt.captured,
        status=attempt.status,
        http_version=attempt.http_version,
        headers=tuple((header.name, header.value) for header in attempt.headers),
        tls_error=attempt.tls_error,
        error=attempt.error,
        timings=_timings_to_domain(attempt.timings),
        address=attempt.address,
        upstreams=tuple(
            UpstreamDelta(u.cluster, u.address, u.cx_total, u.cx_connect_fail, u.rq_total) for u in result.upstreams
        ),
        warming_clusters=tuple(result.warming_clusters),
        refused=result.refused,
        refused_message=result.refused_message,
        live_faults=tuple(map(_fault_to_domain, result.live_faults)),
        routed_to=tuple(result.routed_to),
        unknown_clusters=tuple(result.unknown_clusters),
        routed_by=tuple(result.routed_by),
        route_answers=tuple(result.route_answers),
        tls_clusters=tuple(TlsCluster(tls.cluster, tls.destination_rule) for tls in result.tls_clusters),
    )


def attempt_to_proto(evidence: Evidence, upstream: str = "") -> probe_pb2.ProbeAttempt:
    """The attempt as a probe returns it. `upstream` is the Envoy cluster that the verdict names."""
    return probe_pb2.ProbeAttempt(
        status=evidence.status,
        http_version=evidence.http_version,
        headers=[probe_pb2.ProbeAttempt.Header(name=name, value=value) for name, value in evidence.headers],
        tls_error=evidence.tls_error,
        error=evidence.error,
        timings=_timings_to_proto(evidence.timings),
        address=evidence.address,
        upstream=upstream,
        captured=evidence.captured,
    )


def _fault_to_proto(fault: LiveFault) -> pb.AttemptResult.LiveFault:
    return pb.AttemptResult.LiveFault(
        route=fault.route,
        virtual_service=fault.virtual_service,
        delay=_duration(fault.delay or None),
        http_status=fault.http_status,
        grpc_status=fault.grpc_status,
    )


def _fault_to_domain(fault: pb.AttemptResult.LiveFault) -> LiveFault:
    return LiveFault(
        route=fault.route,
        virtual_service=fault.virtual_service,
        delay=fault.delay.ToTimedelta().total_seconds(),
        http_status=fault.http_status,
        grpc_status=fault.grpc_status if fault.HasField("grpc_status") else None,
    )


def _timings_to_proto(timings: Timings) -> probe_pb2.ProbeAttempt.Timings:
    return probe_pb2.ProbeAttempt.Timings(
        resolve=_duration(timings.resolve),
        connect=_duration(timings.connect),
        tls=_duration(timings.tls),
        response=_duration(timings.response),
        total=_duration(timings.total),
    )


def _timings_to_domain(timings: probe_pb2.ProbeAttempt.Timings) -> Timings:
    parts = {field.name: value.ToTimedelta().total_seconds() for field, value in timings.ListFields()}
    return Timings(**parts)


def _duration(seconds: float | None) -> Duration | None:
    if seconds is None:
        return None
    duration = Duration()
    duration.FromTimedelta(timedelta(seconds=seconds))
    return duration


def _destination(url: str) -> Destination:
    """The destination of a URL as `Destination.url` writes it. Raises ValueError for any other form."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https", "tls", "tcp"} or not parts.hostname:
        raise ValueError(f"not an http, https, tls or tcp URL: {url[:80]!r}")
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    path = f"{parts.path}?{parts.query}" if "?" in url else parts.path
    destination = Destination(parts.scheme, parts.hostname, port)
    if not destination.only_connects:
        destination = replace(destination, path=path)
    if destination.url != url or not (destination.only_connects or path.startswith("/")):
        raise ValueError(f"not a URL in canonical form: {url[:80]!r}")
    return destination
