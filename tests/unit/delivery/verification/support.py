"""What the tests of verification share."""

from egress_server.delivery.settings import DeliverySettings
from egress_server.domain.model.rollout import Rollout, RolloutState, change_rollout
from egress_server.domain.model.status import Problem
from egress_server.domain.probe.evidence import Destination
from egress_server.domain.verify import UNREGISTERED_HOST
from tests.support.meshes import entry
from tests.unit.delivery.world import World

BANK = entry("bank")


REFUSED_URL = f"http://{UNREGISTERED_HOST}/"


KNOWN = DeliverySettings(known_destinations=(Destination("http", "www.example.com", 80),))


def reasons(problems: dict[str, Problem] | None) -> dict[str, str]:
    """The reasons by resource."""
    return {name: problem.reason for name, problem in (problems or {}).items()}


def state(world: World, resource: str, revision: int) -> RolloutState:
    """The state of a change on the cluster."""
    return reported(world, resource, revision).state


def reported(world: World, resource: str, revision: int) -> Rollout:
    """The state of a change on the cluster."""
    snapshot = world.replica.snapshot
    versioned = snapshot.get(resource)
    last = versioned.revision if versioned else revision
    east = snapshot.cluster("east")
    assert east is not None
    return change_rollout(east, world.status(), revision=revision, resource=resource, last_revision=last)
