"""ListAgents."""

from egress.v1 import fleet_service_pb2 as pb
from egress_server.commands.fleet import AgentPage, ListAgents, list_agents
from egress_server.domain.names import Kind, Name, expect_mesh, expect_name
from egress_server.pipeline import Method
from egress_server.ports.agents import AgentInfo
from egress_server.wire.listing import read_listing

FIELDS = ("agent", "cluster", "namespace", "labels.")
_ALL = "/clusters/-"


def decode(request: pb.ListAgentsRequest) -> ListAgents:
    """The page asked for."""
    listing = read_listing(request, FIELDS, key_field="agent")
    if request.parent.endswith(_ALL):
        return ListAgents(expect_mesh("parent", request.parent.removesuffix(_ALL)), "", listing)
    cluster = expect_name("parent", request.parent, Kind.CLUSTER)
    return ListAgents(cluster.mesh, cluster.id, listing)


def encode(page: AgentPage) -> pb.ListAgentsResponse:
    """The page."""
    return pb.ListAgentsResponse(
        agents=[_write(page.mesh, info) for info in page.agents], next_page_token=page.next_page_token
    )


def _write(mesh: str, info: AgentInfo) -> pb.Agent:
    return pb.Agent(
        agent=info.agent,
        cluster=str(Name(mesh, Kind.CLUSTER, info.cluster)),
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
