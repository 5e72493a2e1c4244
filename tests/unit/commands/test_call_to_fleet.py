"""From a call to the clusters: the trace that is passed on, the agents, a resync on request."""

from dataclasses import replace

import pytest

from egress.v1 import egress_service_pb2, outbound_policy_pb2
from egress_server.auth.local import LocalUser
from egress_server.commands.clusters.clusters import AgentPage, ListAgents, Resync, list_agents, resync
from egress_server.domain.model.errors import NotFound
from egress_server.domain.model.names import Name, ResourceKind
from egress_server.domain.model.paging import parse_listing
from egress_server.domain.model.status import ClusterStatus, Phase
from egress_server.pipeline.method import RpcCall
from egress_server.pipeline.pipeline import Pipeline
from egress_server.ports.agents import AgentInfo
from egress_server.wire import METHODS
from tests.support.meshes import cluster
from tests.unit.commands.fakes import CALLER, World

SET = METHODS["/egress.v1.EgressService/SetOutboundPolicy"]
TRACE_ID, SPAN_ID = f"{7:032x}", f"{8:016x}"


@pytest.mark.parametrize(("flags", "traced"), [("01", True), ("00", False)])
async def test_a_traced_call_hands_its_trace_on(flags: str, traced: bool) -> None:
    """The applier of a sampled call's change can join its trace; other calls leave nothing behind."""
    world, user = World.of(), LocalUser()
    policy = outbound_policy_pb2.OutboundPolicy(mode=outbound_policy_pb2.OutboundPolicy.ALLOW_ANY)
    request = egress_service_pb2.SetOutboundPolicyRequest(parent="meshes/default", outbound_policy=policy)
    call = RpcCall("grpc", "", {"traceparent": f"00-{TRACE_ID}-{SPAN_ID}-{flags}"})
    await Pipeline(world.services, user, user).unary(SET, request, call)
    (commit,) = world.store.commits
    version, trace_id, span_id, sampled = commit.traceparent.split("-") if traced else ("00", TRACE_ID, "", "01")
    assert (version, trace_id, sampled) == ("00", TRACE_ID, "01")
    assert bool(span_id) is traced
    assert bool(commit.traceparent) is traced


def agent(name: str, cluster_id: str = "east", namespace: str = "default", **labels: str) -> AgentInfo:
    """An agent."""
    return AgentInfo(name, cluster_id, namespace, "", "1", labels)


def fleet() -> World:
    """Two clusters with agents."""
    world = World.of(cluster("east"), cluster("west"))
    world.agents.infos += [agent("b"), agent("a", app="web"), agent("c", namespace="prod"), agent("a", "west")]
    return world


async def asked(world: World, cluster_id: str = "", **listing: object) -> AgentPage:
    """A page of agents."""
    fields = {"page_size": 0, "page_token": "", "filter_text": "", "order_by": "", **listing}
    known = ("agent", "cluster", "namespace", "labels.")
    query = ListAgents("default", cluster_id, parse_listing(fields=known, key_field="agent", **fields))  # type: ignore[arg-type]
    return await list_agents(world.services, CALLER, query)


def shown(page: AgentPage) -> list[str]:
    """Agents as cluster/namespace/agent."""
    return [f"{info.cluster}/{info.namespace}/{info.agent}" for info in page.agents]


async def test_agents_of_all_clusters() -> None:
    """In the order of their names, in pages."""
    world = fleet()
    everyone = ["east/default/a", "west/default/a", "east/default/b", "east/prod/c"]
    assert shown(await asked(world)) == everyone
    first = await asked(world, page_size=3)
    assert shown(first) == everyone[:3]
    assert shown(await asked(world, page_size=3, page_token=first.next_page_token)) == everyone[3:]
    assert shown(await asked(world, order_by="agent desc")) == everyone[::-1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('namespace = "prod"', ["east/prod/c"]),
        ('cluster = "west"', ["west/default/a"]),
        ('labels.app = "web"', ["east/default/a"]),
        ('agent = "a" AND cluster != "west"', ["east/default/a"]),
    ],
)
async def test_some_agents(text: str, expected: list[str]) -> None:
    """By any of the documented fields."""
    assert shown(await asked(fleet(), filter_text=text)) == expected


async def test_agents_of_one_cluster() -> None:
    """Of the requested cluster; an unregistered one is not found."""
    assert shown(await asked(fleet(), "west")) == ["west/default/a"]
    with pytest.raises(NotFound):
        await asked(fleet(), "north")


async def test_resync() -> None:
    """The request goes through the store to the cluster's applier; the response does not wait for it."""
    world = fleet()
    name = Name("default", ResourceKind.CLUSTER, "east")
    assert await resync(world.services, CALLER, Resync(name)) is None
    world.replica.report(ClusterStatus("east", Phase.SETTLED, applied_revision=3))
    status = await resync(world.services, CALLER, Resync(name))
    assert status is not None
    assert status.applied_revision == 3
    assert world.store.resyncs_asked == ["east", "east"]
    with pytest.raises(NotFound):
        await resync(world.services, CALLER, Resync(replace(name, id="north")))
