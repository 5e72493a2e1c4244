"""Explains what will happen to a connection, and lists the registry as one namespace sees it. Sends no traffic."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from egress_server.commands.applied_state import AppliedState, State, applied_state
from egress_server.commands.cluster_view import find_cluster
from egress_server.commands.services import Caller, Services
from egress_server.domain.explain.explain import Explanation, explain
from egress_server.domain.live.decision import LiveReport
from egress_server.domain.model.errors import EgressError, FailedPrecondition
from egress_server.domain.model.names import Name
from egress_server.domain.model.paging import ListQuery, page_of
from egress_server.domain.probe.evidence import Attempt
from egress_server.domain.probe.verdicts import Expectation, Outcome
from egress_server.domain.simulate.evaluate import Request
from egress_server.domain.simulate.registry import RegistryItem, registry
from egress_server.ports.agents import AgentInfo

_EVALUATION_SECONDS = 3.0


class Basis(Enum):
    """What an explanation is based on; the API defines the meanings."""

    UNSPECIFIED = "BASIS_UNSPECIFIED"
    LIVE = "LIVE"
    MODEL = "MODEL"


@dataclass(frozen=True, slots=True)
class Explain:
    """Explain a request of a workload on `cluster`."""

    cluster: Name
    request: Request
    basis: Basis = Basis.UNSPECIFIED

    @property
    def mesh(self) -> str:
        """ID of the mesh."""
        return self.cluster.mesh


@dataclass(frozen=True, slots=True)
class Explained:
    """An explanation; `agent` has evaluated the sidecar's configuration, if it is based on that."""

    explanation: Explanation
    agent: AgentInfo | None = None


async def explain_destination(services: Services, caller: Caller, query: Explain) -> Explained:
    """The explanation, based on this process's snapshot and on what an agent evaluates.

    Raises NotFound CLUSTER_NOT_FOUND and, if the basis must be LIVE, FailedPrecondition NO_AGENT or LIVE_UNAVAILABLE
    and what the agent's session raises.
    """
    replica = services.replica(query.cluster.mesh)
    cluster = find_cluster(replica, query.cluster)
    found = await applied_state(services, replica, cluster)
    agent = _agent(services, query, found)
    report = await _evaluated(services, query, agent) if agent else None
    if agent is None or report is None:
        return Explained(_explain(found, _explained(found), query.request))
    request = replace(query.request, labels=agent.labels, address=query.request.address or report.address)
    explanation = _explain(found, found.applied or found.desired, request, report)
    return Explained(explanation, agent if explanation.live else None)


def _agent(services: Services, query: Explain, found: AppliedState) -> AgentInfo | None:
    """The agent whose sidecar's configuration is the basis, if it should be."""
    if query.basis is Basis.MODEL or (query.basis is Basis.UNSPECIFIED and found.is_behind):
        return None
    cluster, request = query.cluster, query.request
    attached = services.agents.attached(cluster.mesh, cluster.id, request.namespace)
    agent = next((each for each in attached if request.labels.items() <= each.labels.items()), None)
    if agent is None and query.basis is Basis.LIVE:
        raise FailedPrecondition(
            f"no agent is attached from such a workload in namespace {request.namespace} of {cluster.id}",
            reason="NO_AGENT",
            metadata={"cluster": cluster.id, "namespace": request.namespace},
            retry_after=1.0,
        )
    return agent


async def _evaluated(services: Services, query: Explain, agent: AgentInfo) -> LiveReport | None:
    """What the agent evaluates. If the basis need not be LIVE, None if there is no answer."""
    request = query.request
    attempt = Attempt(request.destination, request.method, request.headers, request.address, _EVALUATION_SECONDS)
    try:
        report = await services.agents.evaluate(query.cluster.mesh, agent, attempt)
    except EgressError:
        if query.basis is Basis.LIVE:
            raise
        return None
    if report.decision.outcome is not Outcome.INCONCLUSIVE or (query.basis is Basis.LIVE and not report.problem):
        return report
    if query.basis is Basis.LIVE:
        raise FailedPrecondition(
            f"agent {agent.agent} can't evaluate its sidecar's configuration: {report.problem}",
            reason="LIVE_UNAVAILABLE",
            metadata={"agent": agent.agent},
        )
    return None


def _explain(found: AppliedState, state: State, request: Request, live: LiveReport | None = None) -> Explanation:
    explanation = explain(state.snapshot, state.view, request, state.report, live)
    if not found.is_stuck:
        return explanation
    if found.applied is None and explanation.live is None:
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
