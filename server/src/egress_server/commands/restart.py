"""Has workloads restarted, because somebody asked for it: that is when new interception rules take hold of them."""

from dataclasses import dataclass, replace

from egress_server.commands.mutate import Mutation, Options, Outcome, mutate
from egress_server.commands.services import Caller, Services
from egress_server.commands.targets import expect_kubernetes
from egress_server.domain.changes import ChangeType
from egress_server.domain.names import parse_name
from egress_server.domain.resources import Cluster, Resource, RestartOrder


@dataclass(frozen=True, slots=True)
class RestartWorkloads:
    """Order a restart on the cluster called `name`; without `workloads`, of all that are stale."""

    name: str
    options: Options
    workloads: tuple[str, ...]

    @property
    def mesh(self) -> str:
        """The mesh it is about."""
        return parse_name(self.name).mesh


async def restart_workloads(services: Services, caller: Caller, command: RestartWorkloads) -> Outcome:
    """Orders the restart, and takes the place of one before it. Raises FailedPrecondition TARGET_UNSUPPORTED and what
    mutate raises."""
    order = RestartOrder(services.ids(), command.workloads)

    def amend(before: Resource) -> Cluster:
        return replace(expect_kubernetes(before), restart=order)

    mutation = Mutation(command.name, ChangeType.RESTART, None, command.options, amend)
    return await mutate(services, caller, mutation)
