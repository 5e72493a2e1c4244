"""What the tests of drift share: a cluster that reports changes of other clients."""

from dataclasses import replace

from egress_server.domain.model.clusters import DriftPolicy
from egress_server.domain.model.status import DriftKind
from egress_server.telemetry import metrics
from tests.support.doubles.memory_target import MemoryTarget
from tests.support.meshes import MESH, entry
from tests.unit.delivery.world import World

BANK, SHOP = entry("bank"), entry("shop")


EVIL = {"hosts": ["evil.example.com"]}


LEFT = replace(MESH, drift_policy=DriftPolicy.REPORT)


def counted(kind: DriftKind) -> float:
    """The value of the metric for the cluster."""
    return (
        metrics.REGISTRY.get_sample_value(
            "egress_drift_detected_total", {"mesh": "default", "cluster": "east", "kind": kind.value}
        )
        or 0.0
    )


def watched_world(*resources: object) -> tuple[World, MemoryTarget]:
    """A world whose cluster reports changes."""
    world = World(*resources)  # type: ignore[arg-type]
    world.targets["east"].watchable = True
    return world, world.targets["east"]


def reported(world: World) -> list[tuple[str, str, bool]]:
    """Each drifted object, how it drifted, and whether it was corrected."""
    return [(drift.name, drift.kind.value, drift.heal_time is not None) for drift in world.status().drift]


def hosts(target: MemoryTarget, name: str) -> list[str]:
    """The hosts of an entry on the cluster."""
    (found,) = (obj["spec"]["hosts"] for key, obj in target.objects.items() if key.name == name)
    return list(found)
