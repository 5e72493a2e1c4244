"""Decisions by an operator about a cluster: approve what a guard holds back, adopt and release unmanaged objects."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from egress_server.commands.clusters.clusters import expect_kubernetes
from egress_server.commands.mutate import Mutation, MutationOutcome, Options, mutate
from egress_server.commands.services import Caller, Services
from egress_server.domain.model.changes import ChangeType
from egress_server.domain.model.clusters import Cluster
from egress_server.domain.model.errors import Aborted, FailedPrecondition, ResourceExhausted
from egress_server.domain.model.limits import MAX_ADOPTED
from egress_server.domain.model.names import parse_name
from egress_server.domain.model.status import MASS_DELETION, STORE_REWOUND, ClusterStatus, Phase


@dataclass(frozen=True, slots=True)
class Approve:
    """Approve the change that a guard holds on the cluster `name`. If `token` is set, it must be the pending one."""

    name: str
    options: Options
    token: str

    @property
    def mesh(self) -> str:
        """ID of the mesh."""
        return parse_name(self.name).mesh


async def approve_deletion(services: Services, caller: Caller, command: Approve) -> MutationOutcome[Cluster]:
    """Approves the pending deletion.

    Raises FailedPrecondition NOTHING_HELD, Aborted TOKEN_MISMATCH, and what mutate raises.
    """

    def amend(before: Cluster) -> Cluster:
        token = _pending_token(services, command, MASS_DELETION)
        return replace(before, orders=replace(before.orders, approved=token))

    return await mutate(services, caller, Mutation(command.name, ChangeType.APPROVE, None, command.options, amend))


async def accept_store_reset(services: Services, caller: Caller, command: Approve) -> MutationOutcome[Cluster]:
    """Accepts this store for a cluster that was last managed by a lost or restored one.

    Raises FailedPrecondition NOTHING_HELD, Aborted TOKEN_MISMATCH, and what mutate raises.
    """

    def amend(before: Cluster) -> Cluster:
        token = _pending_token(services, command, STORE_REWOUND)
        return replace(before, orders=replace(before.orders, accepted=token))

    return await mutate(services, caller, Mutation(command.name, ChangeType.ACCEPT, None, command.options, amend))


_PENDING = {MASS_DELETION: "deletion", STORE_REWOUND: "store reset"}


def _pending_token(services: Services, command: Approve, guard: str) -> str:
    """The token of what `guard` currently holds back."""
    id_ = parse_name(command.name).id
    status = services.replica(command.mesh).statuses.get(id_)
    problem = status.problem if status and status.phase is Phase.HELD else None
    if problem is None or problem.reason != guard or not problem.token:
        raise FailedPrecondition(
            f"no {_PENDING[guard]} is pending approval on {id_}: {_actual_state(status)}",
            reason="NOTHING_HELD",
            metadata={"cluster": id_, "guard": guard},
        )
    if command.token and command.token != problem.token:
        raise Aborted(
            f"the approval token is stale: the pending {_PENDING[guard]} on {id_} has changed; review it again",
            reason="TOKEN_MISMATCH",
            metadata={"cluster": id_, "token": command.token, "current_token": problem.token},
        )
    return problem.token


def _actual_state(status: ClusterStatus | None) -> str:
    if status is None:
        return "no applier has reported on it yet"
    return f"it is {status.phase.value}" + (f" ({status.problem.message})" if status.problem else "")


def adopting(object_: str) -> Callable[[Cluster], Cluster]:
    """Adds KIND/NAMESPACE/NAME to a cluster's adopted objects; idempotent. The returned function raises
    FailedPrecondition TARGET_UNSUPPORTED and ResourceExhausted TOO_MANY_ADOPTED."""

    def amend(before: Cluster) -> Cluster:
        cluster = expect_kubernetes(before)
        adopted = {*cluster.orders.adopted, object_}
        if len(adopted) > MAX_ADOPTED:
            raise ResourceExhausted(
                f"{cluster.id} already has {MAX_ADOPTED} adopted objects, the maximum; release some first",
                reason="TOO_MANY_ADOPTED",
                metadata={"cluster": cluster.id, "limit": str(MAX_ADOPTED)},
            )
        return replace(cluster, orders=replace(cluster.orders, adopted=tuple(sorted(adopted))))

    return amend


def releasing(object_: str) -> Callable[[Cluster], Cluster]:
    """Removes KIND/NAMESPACE/NAME from a cluster's adopted objects. The returned function raises FailedPrecondition
    NOT_ADOPTED."""

    def amend(before: Cluster) -> Cluster:
        if object_ not in before.orders.adopted:
            raise FailedPrecondition(
                f"{object_} is not adopted on {before.id}",
                reason="NOT_ADOPTED",
                metadata={"cluster": before.id, "object": object_},
            )
        adopted = tuple(each for each in before.orders.adopted if each != object_)
        return replace(before, orders=replace(before.orders, adopted=adopted))

    return amend
