"""What appliers and agents report about clusters: drift, policy gaps, stale workloads, attached agents."""

from egress.v1 import fleet_service_pb2 as pb
from egress.v1 import inventory_pb2
from egress_server.commands.clusters.clusters import AgentPage, ListAgents, list_agents
from egress_server.commands.clusters.observations import (
    ClusterObservation,
    ListObservations,
    ObservationPage,
    list_drift,
    list_policy_gaps,
    list_stale_workloads,
)
from egress_server.contract.clusters import cluster_name, write_drift, write_policy_gap, write_stale_workload
from egress_server.contract.common import write_time
from egress_server.domain.model.status import Drift
from egress_server.domain.observed.inventory import PolicyGap, StaleWorkload
from egress_server.ports.agents import AgentInfo
from egress_server.wire.grammar.collection import ListRequest, read_listing
from egress_server.wire.grammar.handlers import Handlers, handler
from egress_server.wire.grammar.names import cluster_or_all


def _decode_list_drift(request: pb.ListDriftRequest) -> ListObservations:
    return _decode(request, "type", "kind", "namespace", "name", "resource", "manager", "healed")


def _encode_list_drift(page: ObservationPage[Drift]) -> pb.ListDriftResponse:
    return pb.ListDriftResponse(
        drifted_objects=[write_drift(page.mesh, cluster, drift) for cluster, drift in page.items],
        next_page_token=page.next_page_token,
    )


def _decode_list_policy_gaps(request: pb.ListPolicyGapsRequest) -> ListObservations:
    return _decode(request, "type", "kind", "namespace", "name")


def _encode_list_policy_gaps(page: ObservationPage[PolicyGap]) -> pb.ListPolicyGapsResponse:
    return pb.ListPolicyGapsResponse(
        policy_gaps=[write_policy_gap(page.mesh, cluster, gap) for cluster, gap in page.items],
        next_page_token=page.next_page_token,
        observations=[_write_observation(page.mesh, each) for each in page.observed],
    )


def _decode_list_stale_workloads(request: pb.ListStaleWorkloadsRequest) -> ListObservations:
    return _decode(request, "kind", "namespace", "name")


def _encode_list_stale_workloads(page: ObservationPage[StaleWorkload]) -> pb.ListStaleWorkloadsResponse:
    return pb.ListStaleWorkloadsResponse(
        stale_workloads=[write_stale_workload(page.mesh, cluster, workload) for cluster, workload in page.items],
        next_page_token=page.next_page_token,
        observations=[_write_observation(page.mesh, each) for each in page.observed],
    )


def _decode_list_agents(request: pb.ListAgentsRequest) -> ListAgents:
    listing = read_listing(request, ("agent", "cluster", "namespace", "labels."), key_field="agent")
    return ListAgents(*cluster_or_all(request.parent), listing)


def _encode_list_agents(page: AgentPage) -> pb.ListAgentsResponse:
    agents = [_write_agent(page.mesh, agent) for agent in page.agents]
    return pb.ListAgentsResponse(agents=agents, next_page_token=page.next_page_token)


def _decode(request: ListRequest, *filters: str) -> ListObservations:
    listing = read_listing(request, ("cluster", *filters), key_field="cluster")
    return ListObservations(*cluster_or_all(request.parent), listing)


def _write_observation(mesh: str, observed: ClusterObservation) -> inventory_pb2.Observation:
    return inventory_pb2.Observation(
        cluster=cluster_name(mesh, observed.cluster),
        observe_time=write_time(observed.time),
        omitted_count=observed.omitted,
    )


def _write_agent(mesh: str, info: AgentInfo) -> pb.Agent:
    return pb.Agent(
        agent=info.agent,
        cluster=cluster_name(mesh, info.cluster),
        namespace=info.namespace,
        labels=info.labels,
        workload_cluster=info.workload_cluster,
        version=info.version,
    )


HANDLERS: Handlers = {
    "ListDrift": handler(_decode_list_drift, list_drift, _encode_list_drift),
    "ListPolicyGaps": handler(_decode_list_policy_gaps, list_policy_gaps, _encode_list_policy_gaps),
    "ListStaleWorkloads": handler(_decode_list_stale_workloads, list_stale_workloads, _encode_list_stale_workloads),
    "ListAgents": handler(_decode_list_agents, list_agents, _encode_list_agents),
}
