"""The server's side of the agents' streams, without a transport."""

import asyncio

import pytest

from egress.v1 import agent_service_pb2 as pb
from egress_server.agents.sessions.sessions import Sessions
from egress_server.contract.agent import hello_to_proto
from egress_server.domain.model.errors import Aborted, DeadlineExceeded, InvalidArgument, ResourceExhausted, Unavailable
from egress_server.domain.probe.evidence import Attempt, Evidence
from tests.unit.agents.peer import ATTEMPT, EVIDENCE, SERVER_VERSION, Peer, info


@pytest.fixture
def sessions() -> Sessions:
    """No agent is attached."""
    return Sessions(version=SERVER_VERSION)


async def settle() -> None:
    """Lets every task run that can."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_attempt(sessions: Sessions) -> None:
    """An attempt reaches the agent and its evidence comes back."""
    peer = await Peer(sessions).attach(info())
    asked = asyncio.create_task(sessions.attempt("default", info(), ATTEMPT))
    command = await peer.command()
    assert command.url == "http://www.example.com/"
    peer.answer(command)
    assert await asked == EVIDENCE


async def test_attached(sessions: Sessions) -> None:
    """Agents are listed by mesh, cluster and namespace for as long as they are attached."""
    peer = await Peer(sessions).attach(info())
    await Peer(sessions).attach(info("curl-1", namespace="prod"))
    await Peer(sessions).attach(info("curl-2", cluster="other"))
    await Peer(sessions).attach(info("curl-3"), mesh="second")
    assert sessions.attached("default", "local") == [info(), info("curl-1", namespace="prod")]
    assert sessions.attached("default", "local", "prod") == [info("curl-1", namespace="prod")]
    assert sessions.attached("default", "nowhere") == []
    peer.say_no_more()
    await peer.stream
    assert sessions.attached("default", "local", "default") == []


async def test_choose(sessions: Sessions) -> None:
    """The idle agent is chosen, of idle ones that which rested longest."""
    assert sessions.choose("default", "local") is None
    peers = {name: await Peer(sessions).attach(info(name)) for name in ("a", "b")}
    for name in ("a", "b", "a"):
        chosen = sessions.choose("default", "local")
        assert chosen == info(name)
        asked = asyncio.create_task(sessions.attempt("default", chosen, ATTEMPT))
        peers[name].answer(await peers[name].command())
        await asked
    busy = asyncio.create_task(sessions.attempt("default", info("b"), ATTEMPT))
    await settle()
    assert sessions.choose("default", "local") == info("a")
    busy.cancel()


async def test_one_at_a_time(sessions: Sessions) -> None:
    """The agent gets the next attempt when it has answered the last."""
    peer = await Peer(sessions).attach(info())
    asked = [asyncio.create_task(sessions.attempt("default", info(), ATTEMPT)) for _ in range(3)]
    for attempt in asked:
        command = await peer.command()
        await settle()
        assert peer.told.empty()
        peer.answer(command)
        await attempt


async def test_busy(sessions: Sessions) -> None:
    """The ninth attempt is refused with a retry time; the eight are made."""
    peer = await Peer(sessions).attach(info())
    asked = [asyncio.create_task(sessions.attempt("default", info(), ATTEMPT)) for _ in range(8)]
    await settle()
    with pytest.raises(ResourceExhausted) as refused:
        await sessions.attempt("default", info(), ATTEMPT)
    assert refused.value.reason == "AGENT_BUSY"
    assert refused.value.retry_after
    for attempt in asked:
        peer.answer(await peer.command())
        assert await attempt == EVIDENCE


async def test_given_up_while_waiting(sessions: Sessions) -> None:
    """An attempt whose caller has gone before its turn is never made, and frees its target."""
    peer = await Peer(sessions).attach(info())
    asked = [asyncio.create_task(sessions.attempt("default", info(), ATTEMPT)) for _ in range(8)]
    first = await peer.command()
    for attempt in asked[1:]:
        attempt.cancel()
    await settle()
    last = asyncio.create_task(sessions.attempt("default", info(), ATTEMPT))
    peer.answer(first)
    command = await peer.command()
    peer.answer(command, Evidence(captured=True, status=200))
    assert (await last).status == 200
    assert command.id == "9"


async def test_given_up_on_its_way(sessions: Sessions) -> None:
    """An attempt whose caller has gone in between keeps the agent busy until it answers."""
    peer = await Peer(sessions).attach(info())
    asked = asyncio.create_task(sessions.attempt("default", info(), ATTEMPT))
    first = await peer.command()
    asked.cancel()
    second = asyncio.create_task(sessions.attempt("default", info(), ATTEMPT))
    await settle()
    assert peer.told.empty()
    peer.answer(first, Evidence(captured=True, status=500))
    peer.answer(await peer.command())
    assert await second == EVIDENCE


async def test_lost(sessions: Sessions) -> None:
    """When the stream ends, what is on its way and what waits is lost; so is what comes later."""
    peer = await Peer(sessions).attach(info())
    asked = [asyncio.create_task(sessions.attempt("default", info(), ATTEMPT)) for _ in range(2)]
    await peer.command()
    peer.say_no_more()
    for attempt in (*asked, sessions.attempt("default", info(), ATTEMPT)):
        with pytest.raises(Unavailable) as lost:
            await attempt
        assert lost.value.reason == "AGENT_LOST"
    await peer.stream


async def test_cancelled_stream(sessions: Sessions) -> None:
    """A transport that breaks ends the session as well."""
    peer = await Peer(sessions).attach(info())
    asked = asyncio.create_task(sessions.attempt("default", info(), ATTEMPT))
    await peer.command()
    peer.stream.cancel()
    with pytest.raises(Unavailable):
        await asked
    assert sessions.attached("default", "local") == []


async def test_silent_agent() -> None:
    """An agent that does not answer in time costs its caller a deadline; a later answer is discarded."""
    sessions = Sessions(version=SERVER_VERSION, grace=0.01)
    peer = await Peer(sessions).attach(info())
    hasty = Attempt(ATTEMPT.destination, timeout=0.01)
    with pytest.raises(DeadlineExceeded) as late:
        await sessions.attempt("default", info(), hasty)
    assert late.value.reason == "AGENT_NOT_RESPONDING"
    first = await peer.command()
    asked = asyncio.create_task(sessions.attempt("default", info(), ATTEMPT))
    second = await peer.command()
    peer.answer(first, Evidence(captured=True, status=500))
    peer.answer(second)
    assert await asked == EVIDENCE


async def test_replaced(sessions: Sessions) -> None:
    """A second agent of the same name takes the first one's target."""
    former = await Peer(sessions).attach(info())
    asked = asyncio.create_task(sessions.attempt("default", info(), ATTEMPT))
    await former.command()
    peer = await Peer(sessions).attach(info())
    with pytest.raises(Unavailable):
        await asked
    with pytest.raises(Aborted) as replaced:
        await former.stream
    assert replaced.value.reason == "AGENT_REPLACED"
    assert sessions.attached("default", "local") == [info()]
    again = asyncio.create_task(sessions.attempt("default", info(), ATTEMPT))
    peer.answer(await peer.command())
    assert await again == EVIDENCE


async def test_close(sessions: Sessions) -> None:
    """A server that drains ends all streams, without an error."""
    peers = [await Peer(sessions).attach(info(name)) for name in ("a", "b")]
    sessions.close()
    await asyncio.gather(*(peer.stream for peer in peers))
    assert sessions.attached("default", "local") == []


@pytest.mark.parametrize(
    "first",
    [
        pb.AttachRequest(),
        pb.AttachRequest(result=pb.AttemptResult(id="1")),
        pb.AttachRequest(hello=pb.AttachRequest.Hello(cluster="local", agent="a", namespace="default")),
    ],
)
async def test_bad_first_message(sessions: Sessions, first: pb.AttachRequest) -> None:
    """Whoever does not say who it is, is not attached."""
    peer = Peer(sessions)
    peer.say(first)
    with pytest.raises(InvalidArgument) as refused:
        await peer.stream
    assert refused.value.violations[0].field.startswith("hello")


async def test_nothing_said(sessions: Sessions) -> None:
    """A stream that ends before hello is refused."""
    peer = Peer(sessions)
    peer.say_no_more()
    with pytest.raises(InvalidArgument):
        await peer.stream


async def test_second_hello(sessions: Sessions) -> None:
    """An agent says hello once."""
    peer = await Peer(sessions).attach(info())
    peer.say(pb.AttachRequest(hello=hello_to_proto("default", info("other"))))
    with pytest.raises(InvalidArgument):
        await peer.stream
    assert sessions.attached("default", "local") == []
