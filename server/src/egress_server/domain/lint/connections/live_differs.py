"""EGR0611: a sidecar whose configuration does something else than policy and observed objects predict.

The sidecar may not have its newest configuration yet, or something that decides is not observed or not known to the
model. What the sidecar has is what happens.
"""

from collections.abc import Iterator

from egress_server.domain.lint.rule import Connection, ExplainRule
from egress_server.domain.live.decision import LiveDecision
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.probe.verdicts import Expectation, Outcome, Upstream


class LiveDiffers(ExplainRule):
    """At most one finding."""

    code = "EGR0611"
    severity = Severity.WARNING
    title = "sidecar that is configured differently than predicted"

    def check(self, connection: Connection) -> Iterator[Finding]:
        """Compares the prediction with the sidecar's configuration."""
        if connection.live is None:
            return
        if difference := _difference(connection.evaluation.expectation, connection.live.decision):
            yield self.finding(
                "url",
                f"{difference}; the sidecar may not have its newest configuration yet, or it depends on something that "
                "is not observed on the cluster",
                "explain again after a few seconds, and probe the destination; report a difference that stays as a bug",
            )


def _difference(model: Expectation, live: LiveDecision) -> str:
    """How the sidecar differs; empty if it does not, or if one of the two does not know."""
    if Outcome.INCONCLUSIVE in {model.outcome, live.outcome}:
        return ""
    if not model.allows(live.outcome):
        return f"policy predicts {model.outcome.value}, the sidecar is configured for {live.outcome.value}"
    used = [Upstream(each.host, each.port, each.subset) for each in live.upstreams if each.host]
    if model.upstreams and (wrong := [each for each in used if each not in model.upstreams]):
        predicted = model.upstreams[0]
        return (
            f"policy predicts {predicted.host} port {predicted.port}, the sidecar sends it to {wrong[0].host} port "
            f"{wrong[0].port}"
        )
    if model.routed_by and live.owner and model.routed_by != live.owner:
        return f"policy predicts the route of VirtualService {model.routed_by}, the sidecar has that of {live.owner}"
    return ""
