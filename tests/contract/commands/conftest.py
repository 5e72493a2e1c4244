"""Use cases on a real store."""

from dataclasses import dataclass
from typing import Any

import pytest

from egress_server.agents.sessions.sessions import Sessions
from egress_server.commands.changes.revert import RevertChange, revert_change
from egress_server.commands.mutate import Mutation, MutationOutcome, Options, mutate
from egress_server.commands.services import Caller, Services
from egress_server.domain.model.changes import Change, ChangeType
from egress_server.domain.model.clusters import Mesh
from egress_server.domain.model.resources import OutboundMode, OutboundPolicy, Resource
from egress_server.ports.clock import system_clock, uuid_ids
from egress_server.ports.identity import Principal
from tests.contract.benches import Bench
from tests.support.sealing import OpenSealer

CALLER = Caller(Principal("user:tester"), "test")


@dataclass
class CommandBench:
    """A mesh and its use cases."""

    bench: Bench
    services: Services

    @property
    def mesh(self) -> str:
        """Its id."""
        return self.bench.mesh

    def policy(self, mode: str, id_: str = "all", **fields: Any) -> OutboundPolicy:
        """An outbound policy."""
        return OutboundPolicy(f"meshes/{self.mesh}/outboundPolicies/{id_}", OutboundMode(mode), **fields)

    async def set(self, resource: Resource, type_: ChangeType = ChangeType.SET) -> Change:
        """Sets a resource."""
        return changed(await mutate(self.services, CALLER, Mutation(resource.name, type_, resource, Options())))

    async def delete(self, name: str, type_: ChangeType = ChangeType.DELETE) -> Change:
        """Deletes a resource."""
        return changed(await mutate(self.services, CALLER, Mutation(name, type_, None, Options())))

    async def revert(self, change: Change | int, **options: Any) -> MutationOutcome[Any]:
        """Reverts a change."""
        revision = change if isinstance(change, int) else change.revision
        command = RevertChange(self.mesh, revision, Options(**options))
        return await revert_change(self.services, CALLER, command)

    def now(self, name: str) -> Resource | None:
        """The current resource."""
        found = self.bench.snapshot.get(name)
        return found.resource if found else None


def changed(outcome: MutationOutcome[Any]) -> Change:
    """The change of a mutation, which must have made one."""
    assert outcome.change is not None
    return outcome.change


@pytest.fixture
async def commands(bench: Bench) -> CommandBench:
    """A fresh mesh."""
    services = Services(
        bench.store, {bench.mesh: bench.replica}, Sessions(version="1"), uuid_ids, system_clock, OpenSealer()
    )
    made = CommandBench(bench, services)
    await made.set(Mesh(f"meshes/{bench.mesh}"), ChangeType.CREATE)
    return made
