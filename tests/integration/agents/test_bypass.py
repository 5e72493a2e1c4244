"""Connections that interception leaves out: made directly, and only to permitted addresses."""

import asyncio
import socket
from collections.abc import Mapping, Sequence
from contextlib import ExitStack

import pytest

from egress_server.agents.agent.dialer import LocalDialer
from egress_server.agents.agent.prober import Prober
from egress_server.agents.agent.resolver import Endpoint, Resolver
from egress_server.agents.sidecar.envoy_admin import EnvoySidecar
from egress_server.domain.probe.evidence import Attempt, Destination, Evidence
from egress_server.domain.probe.judge import judge
from egress_server.domain.probe.verdicts import Outcome
from tests.integration.local.world import HOST, World

NOTHING = {"includeIPRanges": "", "excludeIPRanges": "", "includeOutboundPorts": "", "excludeOutboundPorts": ""}
USUAL = {"http": 80, "https": 443, "tls": 443, "tcp": 3306}


async def no_sidecar(dialled: Endpoint, upstream: Endpoint) -> socket.socket:
    """A sidecar that nothing should come to."""
    raise AssertionError((dialled, upstream))


async def no_clusters(target: str) -> bytes:
    """A sidecar without any cluster."""
    return b"{}"


async def lookup(host: str, port: int) -> Sequence[str]:
    """Names that lead home."""
    return ["127.0.0.1"]


async def ask(scheme: str, where: Endpoint, *, host: str = HOST, port: int = 0, timeout: float = 5.0) -> Evidence:
    """One attempt of a workload of which nothing is intercepted; `where` is what `--resolve` says of the host."""
    number = port or USUAL[scheme]
    pinned: Mapping[tuple[str, int], Endpoint] = {(HOST, number): where}
    dialer = LocalDialer(no_sidecar, lambda: NOTHING)
    make = Prober(Resolver(pinned, lookup), dialer, EnvoySidecar(no_clusters), version="0.1.0")
    return await make(Attempt(Destination(scheme, host, number), timeout=timeout))


@pytest.mark.parametrize("scheme", ["http", "https", "tls", "tcp"])
async def test_answer(world: World, scheme: str) -> None:
    """What is not captured reaches its destination by itself: BYPASSED, with the destination's own answer."""
    port = world.http if scheme in {"http", "tcp"} else world.tls
    evidence = await ask(scheme, ("127.0.0.1", port))
    verdict = judge(Destination(scheme, HOST, USUAL[scheme]), evidence)
    assert (verdict.outcome, verdict.causes[0].code) == (Outcome.BYPASSED, "NOT_CAPTURED")
    assert (evidence.captured, evidence.answered, evidence.address) == (False, True, f"127.0.0.1:{port}")
    assert evidence.status == {"http": 301, "https": 200}.get(scheme, 0)
    assert evidence.timings.connect is not None


@pytest.mark.parametrize("scheme", ["http", "https", "tls", "tcp"])
async def test_nothing_listens(scheme: str) -> None:
    """A destination that refuses is the destination's doing, not the sidecar's: BYPASSED all the same."""
    evidence = await ask(scheme, ("127.0.0.1", 1))
    assert evidence.error == "connection refused while connecting to the destination"
    assert (evidence.refused, evidence.answered) == ("", False)
    assert judge(Destination(scheme, HOST, 80), evidence).outcome is Outcome.BYPASSED


async def test_connect_that_hangs() -> None:
    """A connection that is never made ends with the attempt's time."""
    with ExitStack() as stack:
        deaf = stack.enter_context(socket.socket())
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        for _ in range(4):  # they fill its queue; the kernel answers no further connection
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(deaf.getsockname())
        evidence = await ask("tcp", deaf.getsockname(), timeout=0.3)
    assert evidence.error == "timed out while connecting to the destination"
    assert not evidence.captured


async def test_ipv6() -> None:
    """IPv6 works as IPv4 does."""
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    server = await asyncio.start_server(lambda _, writer: writer.close(), "::1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        evidence = await ask("tcp", ("::1", port))
    assert (evidence.answered, evidence.address) == (True, f"[::1]:{port}")


@pytest.mark.parametrize("scheme", ["http", "https", "tls", "tcp"])
@pytest.mark.parametrize("host", ["127.0.0.1", "2130706433.example.com", "localhost", "::1", "::ffff:127.0.0.1"])
async def test_forbidden(scheme: str, host: str) -> None:
    """Past the sidecar as through it: what leads to a forbidden address is not connected to, although it listens."""
    arrived: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _, writer: arrived.append(writer), "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        where = ("127.0.0.1", 1)  # of the one name that --resolve knows, and of no other
        evidence = await ask(scheme, where, host=host, port=port)
    assert evidence.refused == "ADDRESS_FORBIDDEN"
    assert not arrived
