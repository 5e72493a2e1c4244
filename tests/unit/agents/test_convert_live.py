"""What a sidecar's configuration says about a connection arrives as it was."""

from egress.v1 import live_pb2 as pb
from egress_server.contract.live import report_to_domain, report_to_proto
from egress_server.domain.live.decision import LiveDecision, LiveReport, no_report
from egress_server.domain.probe.verdicts import Outcome
from tests.support.envoy.reports import REPORT


def test_reports() -> None:
    """Every field survives the way, and the values that mean absence."""
    for report in (REPORT, no_report("NAME_NOT_RESOLVED", "no such name")):
        assert report_to_domain(pb.LiveEvaluation.FromString(report_to_proto(report).SerializeToString())) == report


def test_an_outcome_of_a_newer_agent_is_inconclusive() -> None:
    """And breaks no stream."""
    message = pb.LiveEvaluation(outcome=99, cause="NEW")  # type: ignore[arg-type]
    assert report_to_domain(message) == LiveReport(LiveDecision(Outcome.INCONCLUSIVE, "NEW"))
