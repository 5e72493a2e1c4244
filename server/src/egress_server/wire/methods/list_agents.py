"""ListAgents."""

from egress.v1 import fleet_service_pb2 as pb
from egress_server.commands.clusters.clusters import AgentPage, ListAgents, list_agents
from egress_server.domain.model.names import Name, ResourceKind
from egress_server.pipeline.pipeline import Method
from egress_server.ports.agents import AgentInfo
from egress_server.wire.grammar.collection import read_listing
from egress_server.wire.grammar.names import cluster_or_all

FIELDS = ("agent", "cluster", "namespace", "labels.")


def decode(request: pb.ListAgentsRequest) -> ListAgents:
    """The page asked for."""
    listing = read_listing(request, FIELDS, key_field="agent")
    mesh, cluster = cluster_or_all(request.parent)
    return ListAgents(mesh, cluster, listing)


def encode(page: AgentPage) -> pb.ListAgentsResponse:
    """The page."""
    return pb.ListAgentsResponse(
        agents=[_write(page.mesh, info) for info in page.agents], next_page_token=page.next_page_token
    )


def _write(mesh: str, info: AgentInfo) -> pb.Agent:
    return pb.Agent(
        agent=info.agent,
        cluster=str(Name(mesh, ResourceKind.CLUSTER, info.cluster)),
        namespace=info.namespace,
        labels=info.labels,
        workload_cluster=info.workload_cluster,
        version=info.version,
    )


METHOD = Method(
    "/egress.v1.FleetService/ListAgents",
    pb.ListAgentsRequest,
    pb.ListAgentsResponse,
    "egress.agents.list",
    decode,
    list_agents,
    encode,
)
