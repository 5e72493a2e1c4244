"""What every mutating response carries besides the resource."""

from typing import Any

from egress_server.commands.mutate import Outcome
from egress_server.pipeline.status import encode_finding
from egress_server.wire.convert.change import write_change
from egress_server.wire.convert.plan import write_plan


def write_outcome(outcome: Outcome) -> dict[str, Any]:
    """The response's fields change, findings and plan, by name."""
    return {
        "change": write_change(outcome.change) if outcome.change else None,
        "findings": [encode_finding(finding) for finding in outcome.findings],
        "plan": write_plan(outcome.plan) if outcome.plan else None,
    }
