"""How processes find each other's agents and talk to each other, through the store."""

import asyncio
import itertools
from dataclasses import replace

from egress_server.domain.model.errors import Code
from egress_server.domain.probe.evidence import Attempt, Destination, Evidence, LiveFault, Timings, UpstreamDelta
from egress_server.ports.agent_bus import AgentRefusal, AgentReply, AgentRequest, RemoteAgent
from egress_server.ports.agents import AgentInfo
from egress_server.store.agent_bus import RedisAgentBus
from tests.contract.conftest import Bench

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

_names = itertools.count(1)


async def board(bench: Bench, process: str = "") -> RedisAgentBus:
    """That of one process."""
    return RedisAgentBus(bench.connection, await bench.connect(), bench.mesh, process or f"p{next(_names)}")


async def test_others_see_what_is_published(bench: Bench) -> None:
    """What a process holds is seen by the others, not by itself, until it holds nothing more."""
    a, b = await board(bench, "a"), await board(bench, "b")
    assert await b.others() == {}
    await a.publish([HELD], TTL)
    assert await b.others() == {"a": (HELD,)}
    assert await a.others() == {}
    await a.publish([], TTL)
    assert await b.others() == {}


async def test_only_changes_are_sent_and_read(bench: Bench) -> None:
    """What has not changed is told and read without its content; what has, is seen."""
    a, b = await board(bench, "a"), await board(bench, "b")
    await a.publish([HELD], TTL)
    first = (await b.others())["a"]
    await a.publish([HELD], TTL)
    assert (await b.others())["a"] is first
    younger = replace(HELD, since=2000.0)
    await a.publish([younger], TTL)
    assert (await b.others())["a"] == (younger,)


async def test_who_stops_telling_is_forgotten(bench: Bench) -> None:
    """Without a word for the time it gave, a process is gone, and nothing of it is left; its next word brings it
    back."""
    a, b = await board(bench, "a"), await board(bench, "b")
    await a.publish([HELD], 0.02)
    async with asyncio.timeout(15):
        while await b.others():
            pass
    assert not await bench.connection.call("EXISTS", bench.keys.processes, bench.keys.sessions("a"))
    assert not await b.ask("a", ASK)
    await a.publish([HELD], TTL)
    assert await b.others() == {"a": (HELD,)}


async def test_a_store_that_lost_it_all(bench: Bench) -> None:
    """After a flush the next word of a process has everything again."""
    a, b = await board(bench, "a"), await board(bench, "b")
    await a.publish([HELD], TTL)
    await bench.connection.call("DEL", bench.keys.processes, bench.keys.sessions("a"))
    await a.publish([HELD], TTL)
    assert await b.others() == {"a": (HELD,)}


async def test_an_attempt_there_and_back(bench: Bench) -> None:
    """A request and its answers arrive as they were sent, less the time that has passed."""
    a, b = await board(bench, "a"), await board(bench, "b")
    await a.publish([HELD], TTL)
    assert await b.ask("a", ASK)
    received = await a.receive()
    assert isinstance(received, AgentRequest)
    assert 0 < received.left <= ASK.left
    assert replace(received, left=ASK.left) == ASK
    refused = AgentRefusal(Code.RESOURCE_EXHAUSTED, "AGENT_BUSY", "busy", {"agent": "curl-0"}, 1.0)
    answers = [AgentReply("1", EVIDENCE), AgentReply("2", refused=refused)]
    for answer in answers:
        await a.answer("b", answer)
    assert [await b.receive(), await b.receive()] == answers


async def test_late_requests_are_dropped(bench: Bench) -> None:
    """A request that nobody waits for any more is not handed out; the next one is."""
    a, b = await board(bench, "a"), await board(bench, "b")
    await a.publish([HELD], TTL)
    await b.ask("a", replace(ASK, left=0.0))
    await b.ask("a", replace(ASK, id="2"))
    assert await a.receive() is None
    received = await a.receive()
    assert isinstance(received, AgentRequest)
    assert received.id == "2"


async def test_receive_waits_for_a_message(bench: Bench) -> None:
    """A message wakes whoever waits; without one the wait ends by itself."""
    a, b = await board(bench, "a"), await board(bench, "b")
    waiting = asyncio.create_task(a.receive())
    await b.answer("a", AgentReply("1", EVIDENCE))
    assert await waiting == AgentReply("1", EVIDENCE)
    assert await a.receive() is None


async def test_nothing_is_kept_for_the_gone(bench: Bench) -> None:
    """Answers to a process that never fetches them go by themselves."""
    a = await board(bench, "a")
    await a.answer("gone", AgentReply("1", EVIDENCE))
    assert 0 < await bench.connection.call("PTTL", bench.keys.inbox("gone")) <= 60_000
