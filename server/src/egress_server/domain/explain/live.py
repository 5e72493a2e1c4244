"""What to expect of a connection by the sidecar's own configuration."""

from dataclasses import replace

from egress_server.domain.live.decision import LiveDecision
from egress_server.domain.probe.verdicts import Expectation, Outcome, Upstream


def expected_live(model: Expectation, decision: LiveDecision) -> Expectation:
    """The expectation by the configuration. The resource that decides is that of the `model`, if it predicts the same
    outcome; Envoy's configuration only names VirtualServices."""
    agrees = model.allows(decision.outcome)
    owner = f"VirtualService/{decision.owner}" if decision.owner else ""
    upstreams = (Upstream(each.host, each.port, each.subset) for each in decision.upstreams if each.host)
    return replace(
        model,
        outcome=decision.outcome,
        resource=model.resource if agrees else owner,
        revision=model.revision if agrees else 0,
        also=decision.also,
        upstreams=tuple(dict.fromkeys(upstreams)),
        routed_by=decision.owner,
        fault_percent=round(100 * decision.shares.get(Outcome.FAULTED, 0.0), 6),
    )


def live_step(decision: LiveDecision) -> str:
    """The last step: what the configuration says."""
    route = f", by a route of VirtualService {decision.owner}" if decision.owner else ""
    clusters = list(dict.fromkeys(each.cluster for each in decision.upstreams))
    to = f", to {' or '.join(clusters)}" if clusters else ""
    return f"Sidecar: its configuration leads to {decision.outcome.value} ({decision.cause}){route}{to}."
