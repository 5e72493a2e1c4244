"""The rollout of a change to a cluster, row by row."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from egress_server.domain.model.resources import Resource
from egress_server.domain.model.rollout import (
    Rollout,
    RolloutState,
    affected_clusters,
    change_rollout,
    has_reached,
    summarize_rollouts,
)
from egress_server.domain.model.selectors import ClusterSelector
from egress_server.domain.model.status import ClusterStatus, Phase, Problem
from tests.support.meshes import MESH, cluster, entry, policy

EAST = cluster("east", region="eu")
NAME = entry("bank").name
WHY = Problem("WHY", "because", datetime(2026, 1, 1, tzinfo=UTC))
NEVER = Problem("UNSUPPORTED", "its kind of cluster can't")
NOT_YET = Problem("NAMESPACE_MISSING", "there is no namespace shop")
APPLIED = ClusterStatus("east", Phase.SETTLED, applied_revision=10)
VERIFIED = replace(APPLIED, verified_revision=10)


@pytest.mark.parametrize(
    ("status", "last", "state", "problem"),
    [
        (None, 8, RolloutState.PENDING, Problem("NO_APPLIER", "no applier has reported on the cluster yet")),
        (ClusterStatus("east", Phase.SETTLED, applied_revision=7), 8, RolloutState.PENDING, None),
        (ClusterStatus("east", Phase.APPLYING, applied_revision=7), 8, RolloutState.APPLYING, None),
        (ClusterStatus("east", Phase.FAILED, applied_revision=7, problem=WHY), 8, RolloutState.FAILED, WHY),
        (ClusterStatus("east", Phase.OFFLINE, applied_revision=7, problem=WHY), 8, RolloutState.OFFLINE, WHY),
        (ClusterStatus("east", Phase.HELD, applied_revision=7, problem=WHY), 8, RolloutState.HELD, WHY),
        (ClusterStatus("east", Phase.FAILED, applied_revision=8, problem=WHY), 8, RolloutState.APPLIED, WHY),
        (APPLIED, 8, RolloutState.APPLIED, None),
        (APPLIED, 9, RolloutState.SUPERSEDED, None),
        (APPLIED, 11, RolloutState.APPLIED, None),
        (replace(VERIFIED, obstacles={NAME: NEVER}), 8, RolloutState.UNSUPPORTED, NEVER),
        (replace(VERIFIED, obstacles={NAME: NOT_YET}), 8, RolloutState.PENDING, NOT_YET),
        (replace(VERIFIED, obstacles={NAME: WHY}), 8, RolloutState.FAILED, WHY),
        (VERIFIED, 8, RolloutState.VERIFIED, None),
        (replace(VERIFIED, verified_revision=7), 8, RolloutState.APPLIED, None),
        (replace(APPLIED, unverified={NAME: WHY}), 8, RolloutState.APPLIED, WHY),
        (replace(APPLIED, unverified={EAST.name: WHY}), 8, RolloutState.APPLIED, WHY),
        (replace(APPLIED, unverified={NAME: WHY, EAST.name: NEVER}), 8, RolloutState.APPLIED, WHY),
        (replace(VERIFIED, unverified={EAST.name: WHY}), 8, RolloutState.VERIFIED, None),
        (replace(VERIFIED, disagreements={NAME: WHY}), 8, RolloutState.DISAGREES, WHY),
        (replace(VERIFIED, unverified={NAME: WHY}), 8, RolloutState.APPLIED, WHY),
        (replace(VERIFIED, disagreements={"other": WHY}, unverified={"another": WHY}), 8, RolloutState.VERIFIED, None),
    ],
)
def test_states(status: ClusterStatus | None, last: int, state: RolloutState, problem: Problem | None) -> None:
    """The state of revision 8 of one entry, which was last changed at `last`."""
    found = change_rollout(EAST, status, revision=8, resource=NAME, last_revision=last)
    assert (found.state, found.problem, found.status) == (state, problem, status)


@pytest.mark.parametrize(
    ("before", "after", "clusters"),
    [
        (None, entry("bank"), ["east", "west"]),
        (None, entry("bank", cluster_selector=ClusterSelector(("west",))), ["west"]),
        (
            entry("bank", cluster_selector=ClusterSelector(("west",))),
            entry("bank", cluster_selector=ClusterSelector(match_labels={"region": "eu"})),
            ["east", "west"],
        ),
        (policy("ALLOW_ANY", cluster_selector=ClusterSelector(("west",))), None, ["west"]),
        (None, cluster("west"), ["west"]),
        (cluster("west"), None, ["west"]),
        (None, MESH, []),
        (None, None, []),
    ],
)
def test_concerned(before: Resource | None, after: Resource | None, clusters: list[str]) -> None:
    """A change affects the clusters that were or are selected; a change of a cluster affects only that one, and a
    change of the mesh none."""
    assert [each.id for each in affected_clusters([EAST, cluster("west")], before, after)] == clusters


@pytest.mark.parametrize(
    ("state", "applied", "verified"),
    [
        (RolloutState.PENDING, False, False),
        (RolloutState.APPLYING, False, False),
        (RolloutState.FAILED, False, False),
        (RolloutState.OFFLINE, False, False),
        (RolloutState.HELD, False, False),
        (RolloutState.UNSUPPORTED, False, False),
        (RolloutState.APPLIED, True, False),
        (RolloutState.DISAGREES, True, False),
        (RolloutState.VERIFIED, True, True),
        (RolloutState.SUPERSEDED, True, True),
    ],
)
def test_reached(state: RolloutState, applied: bool, verified: bool) -> None:
    """Which states end a wait."""
    assert (has_reached(state, verified=False), has_reached(state, verified=True)) == (applied, verified)


def test_summary() -> None:
    """Counts by state."""
    states = [RolloutState.APPLIED, RolloutState.FAILED, RolloutState.APPLIED]
    assert summarize_rollouts(Rollout(EAST, state) for state in states) == {"APPLIED": 2, "FAILED": 1}
