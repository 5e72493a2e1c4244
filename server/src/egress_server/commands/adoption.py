"""Which objects that are not ours may be changed on a cluster: adopted and released, one at a time.

Only names are kept here. What an adopted object was before is kept where it stands, by whatever drives the cluster.
"""

from collections.abc import Callable
from dataclasses import replace

from egress_server.commands.targets import expect_kubernetes
from egress_server.domain.errors import FailedPrecondition, ResourceExhausted
from egress_server.domain.resources import Cluster, Resource

MAX_ADOPTED = 1000


def adopting(object_: str) -> Callable[[Resource], Resource]:
    """What adopting KIND/NAMESPACE/NAME makes of a cluster; again it changes nothing. The function raises
    FailedPrecondition TARGET_UNSUPPORTED and ResourceExhausted TOO_MANY_ADOPTED."""

    def amend(before: Resource) -> Cluster:
        cluster = expect_kubernetes(before)
        adopted = {*cluster.adopted, object_}
        if len(adopted) > MAX_ADOPTED:
            raise ResourceExhausted(
                f"{cluster.id} has {MAX_ADOPTED} adopted objects, and no room for more; release some",
                reason="TOO_MANY_ADOPTED",
                metadata={"cluster": cluster.id, "limit": str(MAX_ADOPTED)},
            )
        return replace(cluster, adopted=tuple(sorted(adopted)))

    return amend


def releasing(object_: str) -> Callable[[Resource], Resource]:
    """What releasing KIND/NAMESPACE/NAME makes of a cluster. The function raises FailedPrecondition NOT_ADOPTED."""

    def amend(before: Resource) -> Cluster:
        assert isinstance(before, Cluster)
        if object_ not in before.adopted:
            raise FailedPrecondition(
                f"{object_} is not adopted on {before.id}",
                reason="NOT_ADOPTED",
                metadata={"cluster": before.id, "object": object_},
            )
        return replace(before, adopted=tuple(each for each in before.adopted if each != object_))

    return amend
