"""The table of verdicts on a real Envoy: what the agent sees there leads to the right outcome."""

import asyncio
import socket
from contextlib import ExitStack
from functools import partial

import pytest

from egress_server.agents.agent.dialer import Dialled, LocalDialer
from egress_server.agents.agent.prober import Prober
from egress_server.agents.agent.resolver import DialTarget, Resolver
from egress_server.agents.sidecar.envoy_admin import EnvoySidecar
from egress_server.domain.probe.evidence import Attempt, Destination, Evidence
from egress_server.domain.probe.judge import is_disturbed, judge
from egress_server.domain.probe.verdicts import Outcome, Verdict
from egress_server.targets.local.dial import open_connection
from egress_server.targets.local.target import LocalEnvoyTarget
from tests.integration.agents.conftest import Make
from tests.integration.local.objects import apply, entry, mesh_policy
from tests.integration.local.world import HOST, World, ask, connect

HTTP = Destination("http", HOST, 80)
HTTPS = Destination("https", HOST, 443)
OPAQUE = Destination("http", HOST, 8080)
DEAD_HTTP = Destination("http", "dead.example.com", 80)
DEAD_HTTPS = Destination("https", "dead.example.com", 443)


async def probe(make: Make, destination: Destination, **more: float) -> tuple[Evidence, Verdict]:
    """One attempt and its verdict."""
    evidence = await make(Attempt(destination, **more))  # type: ignore[arg-type]
    return evidence, judge(destination, evidence)


def static(name: str, port: int, protocol: str, real_port: int, host: str) -> dict[str, object]:
    """A ServiceEntry whose endpoint is on loopback."""
    ports = [{"number": port, "name": "it", "protocol": protocol}]
    endpoints = [{"address": "127.0.0.1", "ports": {"it": real_port}}]
    return entry(name, hosts=[host], ports=ports, resolution="STATIC", endpoints=endpoints)


async def test_passthrough(make: Make, target: LocalEnvoyTarget, world: World) -> None:
    """ALLOW_ANY without an entry is PASSTHROUGH: HTTP, TLS, and HTTP on an unregistered port; repeatedly, also if
    Envoy keeps a connection."""
    for destination, status in ((HTTP, 301), (HTTPS, 200), (OPAQUE, 301)) * 2:
        evidence, verdict = await probe(make, destination)
        assert (verdict.outcome, verdict.upstream) == (Outcome.PASSTHROUGH, "PassthroughCluster")
        assert (evidence.captured, evidence.status) == (True, status)
        assert evidence.address == f"127.0.0.1:{world.tls if destination is HTTPS else world.http}"
        assert (evidence.timings.tls is None) == (destination is not HTTPS)


async def test_blocked(make: Make, target: LocalEnvoyTarget, world: World) -> None:
    """REGISTRY_ONLY without an entry is BLOCKED: HTTP by a 502, TLS and other ports by a closed connection."""
    await apply(target, mesh_policy("REGISTRY_ONLY"))
    http, verdict = await probe(make, HTTP)
    assert (verdict.outcome, verdict.causes[0].code, http.status) == (Outcome.BLOCKED, "BLOCKED_HTTP", 502)
    https, verdict = await probe(make, HTTPS)
    assert (verdict.outcome, verdict.causes[0].code) == (Outcome.BLOCKED, "BLOCKED_CLOSED")
    assert https.tls_error in {"connection closed in the TLS handshake", "connection reset in the TLS handshake"}
    opaque, verdict = await probe(make, OPAQUE)
    assert (verdict.outcome, verdict.causes[0].code) == (Outcome.BLOCKED, "BLOCKED_CLOSED")
    assert opaque.error
    assert world.seen == {}


async def test_registered(make: Make, target: LocalEnvoyTarget, world: World) -> None:
    """REGISTRY_ONLY with the document's entry is REGISTERED, and another host stays blocked."""
    await apply(target, mesh_policy("REGISTRY_ONLY"), entry("aliyun-com-ext"))
    for destination, status in ((HTTP, 301), (HTTPS, 200)) * 2:
        evidence, verdict = await probe(make, destination)
        assert (verdict.outcome, evidence.status) == (Outcome.REGISTERED, status)
        assert verdict.upstream == f"outbound|{destination.port}||{HOST}"
    assert world.seen["user-agent"] == "mesh-egress-probe/0.1.0"
    for other in (DEAD_HTTP, DEAD_HTTPS):
        _, verdict = await probe(make, other)
        assert verdict.outcome is Outcome.BLOCKED


async def test_blocked_after_passthrough(make: Make, target: LocalEnvoyTarget, world: World) -> None:
    """What moved the counters before counts for nothing."""
    await probe(make, HTTP)
    await apply(target, mesh_policy("REGISTRY_ONLY"))
    _, verdict = await probe(make, HTTP)
    assert verdict.outcome is Outcome.BLOCKED
    await apply(target, mesh_policy("ALLOW_ANY"), entry("aliyun-com-ext"))
    _, verdict = await probe(make, HTTP)
    assert verdict.outcome is Outcome.REGISTERED


@pytest.mark.parametrize("registered", [False, True])
async def test_unreachable(make: Make, target: LocalEnvoyTarget, registered: bool) -> None:
    """A destination without a server is UNREACHABLE, whether it is registered or passed through."""
    if registered:
        http = static("dead", 80, "HTTP", 1, DEAD_HTTP.host)
        https = static("dead-tls", 443, "TLS", 1, DEAD_HTTP.host)
        await apply(target, mesh_policy("REGISTRY_ONLY"), http, https)
    for destination in (DEAD_HTTP, DEAD_HTTPS):
        evidence, verdict = await probe(make, destination)
        assert (verdict.outcome, verdict.causes[0].code) == (Outcome.UNREACHABLE, "UPSTREAM_CONNECT_FAILED")
        assert (destination is DEAD_HTTPS) == bool(evidence.tls_error)
        assert (destination is DEAD_HTTP) == (evidence.status == 503)


async def test_connect_that_hangs(target: LocalEnvoyTarget) -> None:
    """While Envoy still connects when the time is over, it is UNREACHABLE and not blocked."""
    with ExitStack() as stack:
        deaf = stack.enter_context(socket.socket())
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        where = deaf.getsockname()
        for _ in range(4):  # they fill its queue; the kernel answers no further connection
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(where)
        make = Prober(
            Resolver({(HOST, 80): where}),
            LocalDialer(partial(open_connection, target.envoy.address)),
            EnvoySidecar(target.envoy.admin.get),
            version="0.1.0",
        )
        evidence, verdict = await probe(make, HTTP, timeout=0.5)
    assert evidence.error == "timed out while waiting for the response"
    assert (verdict.outcome, verdict.causes[0].code) == (Outcome.UNREACHABLE, "UPSTREAM_CONNECT_PENDING")


async def test_origin_that_answers_502(target: LocalEnvoyTarget) -> None:
    """A registered origin's own 502 is REGISTERED, since its upstream moved."""

    async def bad_gateway(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 502 Bad Gateway\r\nServer: envoy\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(bad_gateway, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        await apply(target, mesh_policy("REGISTRY_ONLY"), static("bad", 80, "HTTP", port, "bad.example.com"))
        make = Prober(
            Resolver({("bad.example.com", 80): ("127.0.0.1", port)}),
            LocalDialer(partial(open_connection, target.envoy.address)),
            EnvoySidecar(target.envoy.admin.get),
            version="0.1.0",
        )
        evidence, verdict = await probe(make, Destination("http", "bad.example.com", 80))
    assert (evidence.status, verdict.outcome) == (502, Outcome.REGISTERED)


async def test_port_taken_by_another_service(make: Make, target: LocalEnvoyTarget, world: World) -> None:
    """A TCP service without addresses takes every connection to its port, and the verdict names it."""
    await apply(target, mesh_policy("REGISTRY_ONLY"), static("db", 443, "TCP", world.tls, "db.example.com"))
    evidence, verdict = await probe(make, HTTPS)
    assert (evidence.status, verdict.outcome) == (200, Outcome.REGISTERED)
    assert (verdict.causes[0].code, verdict.upstream) == ("TAKEN_BY_PORT", "outbound|443||db.example.com")


async def test_disturbed(target: LocalEnvoyTarget, world: World) -> None:
    """Another connection to the same destination during the attempt leaves no verdict, and the reason is reported."""

    envoy = target.envoy

    class Busy:
        """With each connection it makes another one of its own."""

        async def __call__(self, target: DialTarget) -> Dialled:
            await ask(await connect(envoy.address, 80, world.http))
            return Dialled(await open_connection(envoy.address, target.dialled, target.upstream), captured=True)

    resolver = Resolver({(HOST, 80): ("127.0.0.1", world.http)})
    make = Prober(resolver, Busy(), EnvoySidecar(envoy.admin.get), version="0.1.0")
    _, verdict = await probe(make, HTTP)
    assert is_disturbed(verdict)


async def test_foreign_passthrough_does_not_count(target: LocalEnvoyTarget, world: World) -> None:
    """Other traffic that passes to another address while the probe is blocked does not turn BLOCKED into
    PASSTHROUGH."""

    envoy = target.envoy

    class Busy:
        """Before each connection it sends one elsewhere, on a port that TCP passes."""

        async def __call__(self, target: DialTarget) -> Dialled:
            await ask(await connect(envoy.address, 80, world.http, address="127.0.0.2"))
            return Dialled(await open_connection(envoy.address, target.dialled, ("127.0.0.1", 1)), captured=True)

    make = Prober(
        Resolver({(HOST, 80): ("127.0.0.1", 1)}), Busy(), EnvoySidecar(target.envoy.admin.get), version="0.1.0"
    )
    _, verdict = await probe(make, HTTP)
    assert verdict.outcome is Outcome.UNREACHABLE


async def test_forbidden_upstream(make: Make, target: LocalEnvoyTarget, world: World) -> None:
    """An entry that leads to loopback is not probed, although the dialled address is a public one."""
    sneaky = "sneaky.example.com"
    await apply(target, mesh_policy("REGISTRY_ONLY"), static("sneaky", 80, "HTTP", world.greeter, sneaky))
    evidence = await make(Attempt(Destination("http", sneaky, 80), resolve="203.0.113.10"))
    assert (evidence.refused, evidence.status) == ("ADDRESS_FORBIDDEN", 0)
    assert "127.0.0.1" in evidence.refused_message


async def test_forbidden_upstream_seen_too_late(make: Make, target: LocalEnvoyTarget, world: World) -> None:
    """If the sidecar went to a forbidden address after all, nothing of the answer is reported."""
    taken = static("db", 8080, "TCP", world.tls, "db.example.com")
    await apply(target, mesh_policy("REGISTRY_ONLY"), taken)
    evidence = await make(Attempt(OPAQUE))
    assert evidence.refused == ""  # what --resolve gave
    await apply(target, mesh_policy("REGISTRY_ONLY"), static("db", 8080, "TCP", world.greeter, "db.example.com"))
    evidence = await make(Attempt(OPAQUE))
    assert (evidence.refused, evidence.status, evidence.error) == ("ADDRESS_FORBIDDEN", 0, "")


async def test_dead_sidecar(make: Make, target: LocalEnvoyTarget) -> None:
    """Without Envoy there is no attempt and no verdict."""
    await target.envoy.stop()
    evidence, verdict = await probe(make, HTTP)
    assert evidence.refused == "SIDECAR_UNREACHABLE"
    assert verdict.outcome is Outcome.INCONCLUSIVE
