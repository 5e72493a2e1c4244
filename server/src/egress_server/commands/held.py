"""Saying yes to what a guard holds back on a cluster: to just what was found, by its token, and to nothing after it."""

from dataclasses import dataclass, replace

from egress_server.commands.mutate import Mutation, Options, Outcome, mutate
from egress_server.commands.services import Caller, Services
from egress_server.domain.changes import ChangeType
from egress_server.domain.errors import Aborted, FailedPrecondition
from egress_server.domain.names import parse_name
from egress_server.domain.resources import Cluster, Resource
from egress_server.domain.rollout import MASS_DELETION, STORE_REWOUND, ClusterStatus, Phase


@dataclass(frozen=True, slots=True)
class SayYes:
    """Say yes to what is held on the cluster called `name`; a given `token` must be the one of that."""

    name: str
    options: Options
    token: str

    @property
    def mesh(self) -> str:
        """The mesh it is about."""
        return parse_name(self.name).mesh


async def approve_held(services: Services, caller: Caller, command: SayYes) -> Outcome:
    """Approves the deletion that is held. Raises FailedPrecondition NOT_HELD, Aborted TOKEN_MISMATCH and what mutate
    raises."""

    def amend(before: Resource) -> Cluster:
        assert isinstance(before, Cluster)
        return replace(before, approved=_token(services, command, MASS_DELETION))

    return await mutate(services, caller, Mutation(command.name, ChangeType.APPROVE, None, command.options, amend))


async def accept_store(services: Services, caller: Caller, command: SayYes) -> Outcome:
    """Accepts that the store is another one. Raises FailedPrecondition NOT_HELD, Aborted TOKEN_MISMATCH and what mutate
    raises."""

    def amend(before: Resource) -> Cluster:
        assert isinstance(before, Cluster)
        return replace(before, accepted=_token(services, command, STORE_REWOUND))

    return await mutate(services, caller, Mutation(command.name, ChangeType.ACCEPT, None, command.options, amend))


def _token(services: Services, command: SayYes, reason: str) -> str:
    """The token of what is held at this moment for `reason`."""
    id_ = parse_name(command.name).id
    status = services.replica(command.mesh).statuses.get(id_)
    problem = status.problem if status and status.phase is Phase.HELD else None
    if problem is None or problem.reason != reason or not problem.token:
        raise FailedPrecondition(
            f"{id_} is not held by {reason}{_instead(status)}",
            reason="NOT_HELD",
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
