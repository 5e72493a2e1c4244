"""Converts what a sidecar's configuration says about a connection."""

from datetime import timedelta

from google.protobuf.duration_pb2 import Duration

from egress.v1 import live_pb2 as pb
from egress.v1 import probe_pb2
from egress_server.domain.live.decision import LiveDecision, LiveReport, LiveUpstream, MatchedRoute, RouteFault
from egress_server.domain.probe.verdicts import Outcome


def report_to_proto(report: LiveReport) -> pb.LiveEvaluation:
    """The message."""
    decision = report.decision
    message = pb.LiveEvaluation(
        outcome=_outcome_to_proto(decision.outcome),
        cause=decision.cause,
        shares=[
            pb.LiveEvaluation.OutcomeShare(outcome=_outcome_to_proto(outcome), share=share)
            for outcome, share in decision.shares.items()
        ],
        listener=decision.listener,
        filter_chain=decision.filter_chain,
        sees_requests=decision.sees_requests,
        virtual_service=decision.owner,
        routes=map(_route_to_proto, decision.routes),
        upstreams=map(_upstream_to_proto, decision.upstreams),
        undecided=decision.undecided,
        address=report.address,
        problem=report.problem,
        versions=report.versions,
        proxy_version=report.proxy_version,
        rejected=report.rejected,
        warming_clusters=report.warming,
    )
    if report.updated:
        message.update_time.FromJsonString(report.updated)
    return message


def report_to_domain(message: pb.LiveEvaluation) -> LiveReport:
    """The report; an outcome that is unknown here becomes INCONCLUSIVE."""
    decision = LiveDecision(
        outcome=_outcome_to_domain(message.outcome),
        cause=message.cause,
        shares={_outcome_to_domain(each.outcome): each.share for each in message.shares},
        listener=message.listener,
        filter_chain=message.filter_chain,
        sees_requests=message.sees_requests,
        owner=message.virtual_service,
        routes=tuple(map(_route_to_domain, message.routes)),
        upstreams=tuple(map(_upstream_to_domain, message.upstreams)),
        undecided=tuple(message.undecided),
    )
    return LiveReport(
        decision,
        address=message.address,
        problem=message.problem,
        versions=dict(message.versions),
        updated=message.update_time.ToJsonString() if message.HasField("update_time") else "",
        proxy_version=message.proxy_version,
        rejected=tuple(message.rejected),
        warming=tuple(message.warming_clusters),
    )


def _outcome_to_proto(outcome: Outcome) -> probe_pb2.ProbeResponse.Outcome.ValueType:
    return probe_pb2.ProbeResponse.Outcome.Value(outcome.value)


def _outcome_to_domain(outcome: probe_pb2.ProbeResponse.Outcome.ValueType) -> Outcome:
    try:
        return Outcome(probe_pb2.ProbeResponse.Outcome.Name(outcome))
    except ValueError:  # of a newer agent
        return Outcome.INCONCLUSIVE


def _upstream_to_proto(upstream: LiveUpstream) -> pb.LiveEvaluation.Upstream:
    return pb.LiveEvaluation.Upstream(
        cluster=upstream.cluster,
        share=upstream.share,
        outcome=_outcome_to_proto(upstream.outcome),
        cause=upstream.cause,
        host=upstream.host,
        port=upstream.port,
        subset=upstream.subset,
        endpoints=upstream.endpoints or (),
        any_endpoint=upstream.endpoints is None,
        originates_tls=upstream.originates_tls,
        sni=upstream.sni,
        http2=upstream.http2,
        destination_rule=upstream.destination_rule,
    )


def _upstream_to_domain(message: pb.LiveEvaluation.Upstream) -> LiveUpstream:
    return LiveUpstream(
        cluster=message.cluster,
        share=message.share,
        outcome=_outcome_to_domain(message.outcome),
        cause=message.cause,
        host=message.host,
        port=message.port,
        subset=message.subset,
        endpoints=None if message.any_endpoint else tuple(message.endpoints),
        originates_tls=message.originates_tls,
        sni=message.sni,
        http2=message.http2,
        destination_rule=message.destination_rule,
    )


def _route_to_proto(route: MatchedRoute) -> pb.LiveEvaluation.Route:
    return pb.LiveEvaluation.Route(
        table=route.table,
        virtual_host=route.virtual_host,
        name=route.name,
        virtual_service=route.owner,
        status=route.status,
        location=route.location,
        fault=_fault_to_proto(route.fault) if route.fault else None,
        timeout=_duration(route.timeout),
        retries=route.retries,
        rewritten_host=route.rewritten_host,
        missing=route.missing,
    )


def _route_to_domain(message: pb.LiveEvaluation.Route) -> MatchedRoute:
    return MatchedRoute(
        table=message.table,
        virtual_host=message.virtual_host,
        name=message.name,
        owner=message.virtual_service,
        status=message.status,
        location=message.location,
        fault=_fault_to_domain(message.fault) if message.HasField("fault") else None,
        timeout=message.timeout.ToTimedelta().total_seconds() if message.HasField("timeout") else None,
        retries=message.retries,
        rewritten_host=message.rewritten_host,
        missing=message.missing,
    )


def _fault_to_proto(fault: RouteFault) -> pb.LiveEvaluation.Fault:
    return pb.LiveEvaluation.Fault(
        delay=_duration(fault.delay or None),
        delay_share=fault.delay_share,
        http_status=fault.http_status,
        grpc_status=fault.grpc_status,
        abort_share=fault.abort_share,
    )


def _fault_to_domain(message: pb.LiveEvaluation.Fault) -> RouteFault:
    return RouteFault(
        delay=message.delay.ToTimedelta().total_seconds(),
        delay_share=message.delay_share,
        http_status=message.http_status,
        grpc_status=message.grpc_status if message.HasField("grpc_status") else None,
        abort_share=message.abort_share,
    )


def _duration(seconds: float | None) -> Duration | None:
    if seconds is None:
        return None
    duration = Duration()
    duration.FromTimedelta(timedelta(seconds=seconds))
    return duration
