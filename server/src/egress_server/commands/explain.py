"""Explains what will happen to a connection, and lists the registry as one namespace sees it. Sends no traffic."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from egress_server.commands.applied_state import AppliedState, State, applied_state
from egress_server.commands.cluster_view import find_cluster
from egress_server.commands.services import Caller, Services
from egress_server.domain.explain.explain import Explanation, explain
from egress_server.domain.model.names import Name
from egress_server.domain.model.paging import ListQuery, page_of
from egress_server.domain.probe.verdicts import Expectation, Outcome
from egress_server.domain.simulate.evaluate import Request
from egress_server.domain.simulate.registry import RegistryItem, registry


@dataclass(frozen=True, slots=True)
class Explain:
    """Explain a request of a workload on `cluster`."""

    cluster: Name
    request: Request

    @property
    def mesh(self) -> str:
        """ID of the mesh."""
        return self.cluster.mesh


async def explain_destination(services: Services, caller: Caller, query: Explain) -> Explanation:
    """The explanation, based on this process's snapshot. Raises NotFound CLUSTER_NOT_FOUND."""
    replica = services.replica(query.cluster.mesh)
    cluster = find_cluster(replica, query.cluster)
    found = await applied_state(services, replica, cluster)
    state = _explained(found)
    explanation = explain(state.snapshot, state.view, query.request, state.report)
    if not found.is_stuck:
        return explanation
    if found.applied is None:
        note = f"Cluster: {found.describe()}; what it holds is not known. The following steps are about the newest."
        unknown = Expectation(Outcome.INCONCLUSIVE)
        return replace(explanation, expected=unknown, steps=(note, *explanation.steps))
    note = f"Cluster: {found.describe()}, so this is about what it has applied."
    return replace(explanation, steps=(note, *explanation.steps))


def _explained(found: AppliedState) -> State:
    """Desired state, which the cluster is about to apply; what it has applied if it is stuck, as far as known."""
    return found.applied if found.is_stuck and found.applied else found.desired


@dataclass(frozen=True, slots=True)
class ListRegistry:
    """A page of the registry that workloads of `namespace` on `cluster` see."""

    cluster: Name
    namespace: str
    listing: ListQuery

    @property
    def mesh(self) -> str:
        """ID of the mesh."""
        return self.cluster.mesh


@dataclass(frozen=True, slots=True)
class RegistryPage:
    """A page, based on `revision`. `managers` has the last field manager of each unmanaged object, by its name."""

    items: tuple[RegistryItem, ...]
    next_page_token: str
    revision: int
    managers: Mapping[str, str] = field(default_factory=dict)


async def list_registry(services: Services, caller: Caller, query: ListRegistry) -> RegistryPage:
    """One page, ordered by host and port. Raises NotFound CLUSTER_NOT_FOUND, InvalidArgument for a bad token or
    filter."""
    replica = services.replica(query.cluster.mesh)
    cluster = find_cluster(replica, query.cluster)
    view = _explained(await applied_state(services, replica, cluster)).view
    items = {_key(item): item for item in registry(view, query.namespace)}
    page = page_of(sorted(items), query.listing, lambda key: _fields(items[key]))
    found = tuple(items[key] for key in page.keys)
    return RegistryPage(found, page.next_page_token, view.revision, view.foreign.managers)


def _key(item: RegistryItem) -> str:
    """Sorts by host, port and owner; a space sorts before every character of a host."""
    return f"{item.host} {item.port.number:05} {item.entry.name}"


def _fields(item: RegistryItem) -> dict[str, str | int]:
    """The filterable fields."""
    return {
        "host": item.host,
        "port": item.port.number,
        "owner": item.entry.name,
        "owner_kind": item.owner_kind.value,
        "visible": "true" if item.visible else "false",
    }
