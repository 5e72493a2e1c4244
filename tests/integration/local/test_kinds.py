"""Ports and resolutions beyond the document's, on a real Envoy under REGISTRY_ONLY."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from egress_server.targets.local.dial import open_connection
from egress_server.targets.local.target import LocalEnvoyTarget
from tests.integration.local.objects import apply, delay, entry, mesh_policy, tcp_entry, virtual_service
from tests.integration.local.world import SECONDS, World, ask, connect, connect_tls


def port(number: int, protocol: str, name: str = "p") -> dict[str, Any]:
    """A port of an entry."""
    return {"number": number, "name": name, "protocol": protocol}


async def test_server_that_speaks_first(target: LocalEnvoyTarget, world: World) -> None:
    """A TCP entry waits for no client bytes, so a database's greeting comes."""
    await apply(target, mesh_policy("REGISTRY_ONLY"), tcp_entry("db", 3306, world.greeter))
    reader, _ = await connect(target.envoy.address, 3306, real_port=1)
    assert await asyncio.wait_for(reader.readline(), SECONDS) == b"hello\n"


async def test_tcp_entries_by_address(target: LocalEnvoyTarget, world: World) -> None:
    """TCP entries with addresses take what went to these; the rest of their port stays cut."""
    first = tcp_entry("exact", 3306, world.greeter)
    first["spec"]["addresses"] = ["198.51.100.7"]
    second = tcp_entry("range", 3306, world.greeter)
    second["spec"]["addresses"] = ["203.0.113.0/24"]
    await apply(target, mesh_policy("REGISTRY_ONLY"), first, second)
    for address in ("198.51.100.7", "203.0.113.99"):
        reader, _ = await connect(target.envoy.address, 3306, 1, address=address)
        assert await asyncio.wait_for(reader.readline(), SECONDS) == b"hello\n"
    reader, _ = await connect(target.envoy.address, 3306, world.greeter)
    assert await asyncio.wait_for(reader.read(), SECONDS) == b""


async def test_wildcard_without_resolution(target: LocalEnvoyTarget, world: World) -> None:
    """A wildcard host with resolution NONE passes by Host and SNI to where the application dialled."""
    wildcard = entry("all", hosts=["*.example.com"], resolution="NONE")
    await apply(target, mesh_policy("REGISTRY_ONLY"), wildcard)
    envoy = target.envoy.address
    plain = await ask(await connect(envoy, 80, world.http), host="any.example.com")
    assert (plain.status, plain.headers["server"]) == (301, "envoy")
    assert (await ask(await connect_tls(envoy, world, host="any.example.com"))).status == 200
    assert (await ask(await connect(envoy, 80, world.http))).status == 502


async def test_dns(target: LocalEnvoyTarget, world: World) -> None:
    """A host that `--resolve` does not know is looked up."""
    ports = [{**port(80, "HTTP"), "targetPort": world.http}]
    await apply(target, mesh_policy("REGISTRY_ONLY"), entry("here", hosts=["localhost"], ports=ports))
    async with asyncio.timeout(SECONDS):
        while True:
            status = (await ask(await connect(target.envoy.address, 80, 1), host="localhost")).status
            if status == 301:
                break
            assert status == 503  # Envoy has no DNS answer yet
            await asyncio.sleep(0.05)


async def test_http_port_is_http_for_all(target: LocalEnvoyTarget, world: World) -> None:
    """An HTTP port registered for one host makes the port HTTP: other hosts get 502 there."""
    api = entry(
        "api",
        hosts=["api.example.com"],
        ports=[port(8080, "HTTP")],
        resolution="STATIC",
        endpoints=[{"address": "127.0.0.1", "ports": {"p": world.http}}],
    )
    await apply(target, mesh_policy("REGISTRY_ONLY"), api)
    answers = [
        await ask(await connect(target.envoy.address, 8080, 1), host=host)
        for host in ("api.example.com:8080", "other.example.com:8080")
    ]
    assert [answer.status for answer in answers] == [301, 502]


@pytest.mark.parametrize("mode", ["ALLOW_ANY", "REGISTRY_ONLY"])
async def test_ipv6_destination(target: LocalEnvoyTarget, world: World, mode: str) -> None:
    """Connections to IPv6 addresses meet the same listeners."""
    await apply(target, mesh_policy(mode), entry("aliyun-com-ext"))
    streams = await connect(target.envoy.address, 80, world.http, address="2001:db8::1")
    assert (await ask(streams)).status == 301


@pytest.mark.parametrize("mode", ["ALLOW_ANY", "REGISTRY_ONLY"])
async def test_tcp_entry_without_addresses(target: LocalEnvoyTarget, world: World, mode: str) -> None:
    """A TCP entry without addresses takes every connection to its port, wherever it was going."""
    await apply(target, mesh_policy(mode), tcp_entry("db", 3306, world.greeter))
    for address in ("198.51.100.7", "203.0.113.99", "2001:db8::1"):
        reader, _ = await connect(target.envoy.address, 3306, 1, address=address)
        assert await asyncio.wait_for(reader.readline(), SECONDS) == b"hello\n"


async def test_host_found_by_the_request(target: LocalEnvoyTarget, world: World) -> None:
    """With DYNAMIC_DNS Envoy looks up what a request or a TLS client names; other hosts stay cut."""
    ports = [port(80, "HTTP"), port(world.tls, "TLS")]
    found = entry("found", hosts=["*.localhost"], resolution="DYNAMIC_DNS", ports=ports)
    await apply(target, mesh_policy("REGISTRY_ONLY"), found)
    envoy = target.envoy.address
    # In a request the port comes with the name; TLS names none, so it is the one that was dialled.
    plain = await ask(await connect(envoy, 80, 1), host=f"a.localhost:{world.http}")
    assert (plain.status, plain.headers["server"]) == (301, "envoy")
    connection = await open_connection(envoy, ("127.0.0.1", world.tls), ("127.0.0.1", 1))
    world.trust.check_hostname = False
    secure = await asyncio.open_connection(sock=connection, ssl=world.trust, server_hostname="a.localhost")
    assert (await ask(secure)).status == 200
    assert (await ask(await connect(envoy, 80, 1), host="localhost")).status == 502


async def test_known_host_behind_a_wildcard(tmp_path: Path, world: World) -> None:
    """What `--resolve` knows is not looked up, even if a wildcard with DYNAMIC_DNS or its faults match it."""
    target = LocalEnvoyTarget(
        tmp_path / "cluster", name="test", namespace="default", resolve=world.resolve("a.example.com")
    )
    ports = [port(80, "HTTP", "http"), port(443, "TLS", "tls")]
    found = entry("found", hosts=["*.example.com"], resolution="DYNAMIC_DNS", ports=ports)
    late = virtual_service("*.example.com", {"fault": delay("0.01s")})
    await target.start()
    try:
        await apply(target, mesh_policy("REGISTRY_ONLY"), found, late)
        envoy = target.envoy.address
        assert (await ask(await connect(envoy, 80, 1), host="a.example.com")).status == 301
        assert (await ask(await connect_tls(envoy, world, host="a.example.com"))).status == 200
        page = (await target.envoy.admin.get("/clusters")).decode()
        assert f"outbound|80||a.example.com::127.0.0.1:{world.http}::rq_total::1" in page
    finally:
        await target.stop()
