"""Decisions that people make about a cluster: approve what a guard holds, adopt and release foreign objects."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from egress_server.commands.clusters.clusters import expect_kubernetes
from egress_server.commands.mutate import Mutation, MutationOutcome, Options, mutate
from egress_server.commands.services import Caller, Services
from egress_server.domain.model.changes import ChangeType
from egress_server.domain.model.clusters import Cluster
from egress_server.domain.model.errors import Aborted, FailedPrecondition, ResourceExhausted
from egress_server.domain.model.names import parse_name
from egress_server.domain.model.resources import Resource
from egress_server.domain.model.status import MASS_DELETION, STORE_REWOUND, ClusterStatus, Phase


@dataclass(frozen=True, slots=True)
class Approve:
    """Say yes to what is held on the cluster called `name`; a given `token` must be the one of that."""

    name: str
    options: Options
    token: str

    @property
    def mesh(self) -> str:
        """The mesh it is about."""
        return parse_name(self.name).mesh


async def approve_deletion(services: Services, caller: Caller, command: Approve) -> MutationOutcome:
    """Approves the deletion that is held.

    Raises FailedPrecondition NOTHING_HELD, Aborted TOKEN_MISMATCH, and what mutate raises.
    """

    def amend(before: Resource) -> Cluster:
        assert isinstance(before, Cluster)
        token = _token(services, command, MASS_DELETION)
        return replace(before, orders=replace(before.orders, approved=token))

    return await mutate(services, caller, Mutation(command.name, ChangeType.APPROVE, None, command.options, amend))


async def accept_store_reset(services: Services, caller: Caller, command: Approve) -> MutationOutcome:
    """Accepts that the store was lost or restored.

    Raises FailedPrecondition NOTHING_HELD, Aborted TOKEN_MISMATCH, and what mutate raises.
    """

    def amend(before: Resource) -> Cluster:
        assert isinstance(before, Cluster)
        token = _token(services, command, STORE_REWOUND)
        return replace(before, orders=replace(before.orders, accepted=token))

    return await mutate(services, caller, Mutation(command.name, ChangeType.ACCEPT, None, command.options, amend))


def _token(services: Services, command: Approve, reason: str) -> str:
    """The token of what is held at this moment for `reason`."""
    id_ = parse_name(command.name).id
    status = services.replica(command.mesh).statuses.get(id_)
    problem = status.problem if status and status.phase is Phase.HELD else None
    if problem is None or problem.reason != reason or not problem.token:
        raise FailedPrecondition(
            f"{id_} is not held by {reason}{_instead(status)}",
            reason="NOTHING_HELD",
            metadata={"cluster": id_, "guard": reason},
        )
    if command.token and command.token != problem.token:
        raise Aborted(
            f"what {reason} holds back on {id_} is not what the token stands for any more; look at it again",
            reason="TOKEN_MISMATCH",
            metadata={"cluster": id_, "token": command.token, "current_token": problem.token},
        )
    return problem.token


def _instead(status: ClusterStatus | None) -> str:
    if status is None:
        return ": no applier has reported on it yet"
    return f", but {status.phase.value}" + (f": {status.problem.message}" if status.problem else "")


MAX_ADOPTED = 1000


def adopting(object_: str) -> Callable[[Resource], Resource]:
    """What adopting KIND/NAMESPACE/NAME makes of a cluster; again it changes nothing. The function raises
    FailedPrecondition TARGET_UNSUPPORTED and ResourceExhausted TOO_MANY_ADOPTED."""

    def amend(before: Resource) -> Cluster:
        cluster = expect_kubernetes(before)
        adopted = {*cluster.orders.adopted, object_}
        if len(adopted) > MAX_ADOPTED:
            raise ResourceExhausted(
                f"{cluster.id} has {MAX_ADOPTED} adopted objects, and no room for more; release some",
                reason="TOO_MANY_ADOPTED",
                metadata={"cluster": cluster.id, "limit": str(MAX_ADOPTED)},
            )
        return replace(cluster, orders=replace(cluster.orders, adopted=tuple(sorted(adopted))))

    return amend


def releasing(object_: str) -> Callable[[Resource], Resource]:
    """What releasing KIND/NAMESPACE/NAME makes of a cluster. The function raises FailedPrecondition NOT_ADOPTED."""

    def amend(before: Resource) -> Cluster:
        assert isinstance(before, Cluster)
        if object_ not in before.orders.adopted:
            raise FailedPrecondition(
                f"{object_} is not adopted on {before.id}",
                reason="NOT_ADOPTED",
                metadata={"cluster": before.id, "object": object_},
            )
        adopted = tuple(each for each in before.orders.adopted if each != object_)
        return replace(before, orders=replace(before.orders, adopted=adopted))

    return amend
