"""The port AgentBus: processes find each other's agents and communicate through the store."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest

from egress_server.domain.model.errors import Code
from egress_server.domain.probe.evidence import Attempt, Destination, Evidence, LiveFault, Timings, UpstreamDelta
from egress_server.ports.agent_bus import AgentBus, AgentRefusal, AgentReply, AgentRequest, RemoteAgent
from egress_server.ports.agents import AgentInfo
from egress_server.store.agent_bus import RedisAgentBus
from tests.contract.benches import redis_bench
from tests.contract.store.conftest import MEMORY, STORES
from tests.support.doubles.memory_agent_bus import Exchange, MemoryAgentBus
from tests.support.envoy.reports import REPORT
from tests.support.redis import ServerPool
from tests.support.waiting import until

BusOf = Callable[[str], AgentBus]

TTL = 60.0
AGENT = AgentInfo("curl-0", "c1", "default", "c1-data", "0.1.0", {"app": "curl", "ü": "✓"})
HELD = RemoteAgent(AGENT, 1234.5)
ATTEMPT = Attempt(Destination("https", "www.example.com", 443, "/x?y"), "GET", {"x-a": "1"}, "192.0.2.7", 2.5)
ASK = AgentRequest("1", "b", AGENT, ATTEMPT, 30.0)
EVIDENCE = Evidence(
    captured=True,
    status=503,
    http_version="HTTP/1.1",
    headers=(("server", "envoy"), ("x", "ÿ")),
    timings=Timings(0.1, 0.2, None, 0.4, 0.7),
    address="192.0.2.7:443",
    upstreams=(UpstreamDelta("outbound|443||www.example.com", "192.0.2.7:443", 1, 0, 1),),
    warming_clusters=("w",),
    live_faults=(LiveFault("r", "ns/vs", 1.5, 0, 14),),
    routed_to=("outbound|443||www.example.com",),
)


@pytest.fixture(params=STORES)
async def bus(request: pytest.FixtureRequest, servers: ServerPool, mesh: str) -> AsyncIterator[BusOf]:
    """The bus of a process, by its name, over each store."""
    if request.param == MEMORY:
        exchange = Exchange()
        yield lambda process: MemoryAgentBus(exchange, process)
        return
    async with redis_bench(servers.url(request.param), mesh) as bench:
        inboxes = [await bench.connect() for _ in range(2)]
        yield lambda process: RedisAgentBus(bench.connection, inboxes.pop(), bench.mesh, process)


async def test_others_see_what_is_published(bus: BusOf) -> None:
    """The agents of a process are seen by the others, not by itself, until it has none left."""
    a, b = bus("a"), bus("b")
    assert await b.others() == {}
    await a.publish([HELD], TTL)
    assert await b.others() == {"a": (HELD,)}
    assert await a.others() == {}
    await a.publish([], TTL)
    assert await b.others() == {}


async def test_only_changes_are_sent_and_read(bus: BusOf) -> None:
    """What has not changed is published and read without its content; a change is seen."""
    a, b = bus("a"), bus("b")
    await a.publish([HELD], TTL)
    first = (await b.others())["a"]
    await a.publish([HELD], TTL)
    assert (await b.others())["a"] is first
    younger = replace(HELD, since=2000.0)
    await a.publish([younger], TTL)
    assert (await b.others())["a"] == (younger,)


async def test_a_silent_process_is_forgotten(bus: BusOf) -> None:
    """A process that does not publish again within its lifetime is gone; publishing brings it back."""
    a, b = bus("a"), bus("b")
    await a.publish([HELD], 0.02)

    async def is_alone() -> bool:
        return not await b.others()

    await until(is_alone)
    assert not await b.ask("a", ASK)
    await a.publish([HELD], TTL)
    assert await b.others() == {"a": (HELD,)}


async def test_a_process_that_leaves_gets_no_requests(bus: BusOf) -> None:
    """A process that has no agents left, or never published any, is asked nothing."""
    a, b = bus("a"), bus("b")
    assert not await b.ask("a", ASK)
    await a.publish([HELD], TTL)
    await a.publish([], TTL)
    assert not await b.ask("a", ASK)
    assert not await b.ask("nobody", ASK)


async def test_messages_keep_their_order(bus: BusOf) -> None:
    """One inbox, first in, first out, whichever process sent the message."""
    a, b = bus("a"), bus("b")
    await a.publish([HELD], TTL)
    for number in range(5):
        await b.answer("a", AgentReply(str(number), EVIDENCE))
    found = [await a.receive() for _ in range(5)]
    assert [message and message.id for message in found] == list("01234")


async def test_an_attempt_there_and_back(bus: BusOf) -> None:
    """A request and its answers arrive as they were sent, less the time that has passed."""
    a, b = bus("a"), bus("b")
    await a.publish([HELD], TTL)
    assert await b.ask("a", ASK)
    received = await a.receive()
    assert isinstance(received, AgentRequest)
    assert 0 < received.left <= ASK.left
    assert replace(received, left=ASK.left) == ASK
    refused = AgentRefusal(Code.RESOURCE_EXHAUSTED, "AGENT_BUSY", "busy", {"agent": "curl-0"}, 1.0)
    answers = [AgentReply("1", EVIDENCE), AgentReply("2", refused=refused), AgentReply("3", report=REPORT)]
    for answer in answers:
        await a.answer("b", answer)
    assert [await b.receive() for _ in answers] == answers


async def test_late_requests_are_dropped(bus: BusOf) -> None:
    """A request whose caller has given up is not handed out; the next one is."""
    a, b = bus("a"), bus("b")
    await a.publish([HELD], TTL)
    await b.ask("a", replace(ASK, left=0.0))
    await b.ask("a", replace(ASK, id="2"))
    assert await a.receive() is None
    received = await a.receive()
    assert isinstance(received, AgentRequest)
    assert received.id == "2"


async def test_receive_waits_for_a_message(bus: BusOf) -> None:
    """A message wakes the reader; without one the wait times out."""
    a, b = bus("a"), bus("b")
    waiting = asyncio.create_task(a.receive())
    await b.answer("a", AgentReply("1", EVIDENCE))
    assert await waiting == AgentReply("1", EVIDENCE)
    assert await a.receive() is None
