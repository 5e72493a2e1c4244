"""What many responses carry besides the resource."""

from typing import Any

from egress.v1 import inventory_pb2 as pb
from egress_server.commands.clusters.observations import ClusterObservation
from egress_server.commands.mutate import MutationOutcome
from egress_server.contract.changes import write_change, write_plan
from egress_server.contract.common import encode_finding, write_time
from egress_server.contract.inventory import cluster_name


def write_outcome(outcome: MutationOutcome) -> dict[str, Any]:
    """The response's fields change, findings and plan, by name."""
    return {
        "change": write_change(outcome.change) if outcome.change else None,
        "findings": [encode_finding(finding) for finding in outcome.findings],
        "plan": write_plan(outcome.plan) if outcome.plan else None,
    }


def write_observation(mesh: str, observed: ClusterObservation) -> pb.Observation:
    """How good a cluster's part of a list is."""
    return pb.Observation(
        cluster=cluster_name(mesh, observed.cluster),
        observe_time=write_time(observed.time),
        omitted_count=observed.left_out,
    )
