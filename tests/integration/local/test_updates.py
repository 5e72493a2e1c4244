"""Changes under way: what they cut, what they leave alone, and what a refused one leaves behind."""

import asyncio
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from egress_server.targets.local.envoy import Envoy, XdsRejected, envoy_binary
from egress_server.targets.local.target import LocalEnvoyTarget
from egress_server.targets.local.xds.compile import XdsFile, compile_xds, xds_file
from egress_server.targets.local.xds.scoping import LocalWorkload
from tests.integration.local.objects import apply, entry, mesh_policy, tcp_entry
from tests.integration.local.world import SECONDS, Streams, World, ask, connect, connect_tls
from tests.support.waiting import until


async def echoed(streams: Streams) -> bool:
    """Whether a connection to the greeter still carries bytes both ways."""
    reader, writer = streams
    writer.write(b"still there\n")
    return await asyncio.wait_for(reader.readline(), SECONDS) == b"still there\n"


async def greeted(envoy: Path, port: int, real_port: int) -> Streams:
    """A connection to the greeter, after its greeting."""
    streams = await connect(envoy, port, real_port)
    assert await asyncio.wait_for(streams[0].readline(), SECONDS) == b"hello\n"
    return streams


async def test_policy_refuses_kept_alive_http_and_leaves_tls(target: LocalEnvoyTarget, world: World) -> None:
    """REGISTRY_ONLY refuses the next request on a kept-alive connection; open TLS and TCP connections live on."""
    envoy = target.envoy.address
    plain, secure = await connect(envoy, 80, world.http), await connect_tls(envoy, world)
    raw = await greeted(envoy, 9000, world.greeter)
    assert (await ask(plain)).status == 301
    assert (await ask(secure)).status == 200
    await apply(target, mesh_policy("REGISTRY_ONLY"))
    assert (await ask(plain)).status == 502
    assert (await ask(secure)).status == 200
    assert await echoed(raw)


async def test_unrelated_changes_cut_nothing(target: LocalEnvoyTarget, world: World) -> None:
    """Entries come and go, on the same port too, and the connections of another one do not notice.

    Envoy closes after 45 s what it drains now, so nothing but the removed may be draining.
    """
    base = (mesh_policy("REGISTRY_ONLY"), entry("aliyun-com-ext"), tcp_entry("db", 3306, world.greeter))
    await apply(target, *base)
    envoy = target.envoy
    plain, secure = await connect(envoy.address, 80, world.http), await connect_tls(envoy.address, world)
    raw = await greeted(envoy.address, 3306, world.greeter)
    before = await draining(envoy)
    await apply(target, *base, entry("more", hosts=["more.example.com"]), tcp_entry("db2", 3307, world.greeter))
    assert await draining(envoy) == before
    await apply(target, *base)
    chains, listeners = before
    assert await draining(envoy) == (chains + 1, listeners + 1)
    assert (await ask(plain)).status == 301
    assert (await ask(secure)).status == 200
    assert await echoed(raw)


async def draining(envoy: Envoy) -> tuple[int, int]:
    """How many filter chains and how many listeners Envoy is about to close."""
    page = (await envoy.admin.get("/stats?filter=_draining$")).decode()
    counts = dict(line.split(": ") for line in page.splitlines())
    names = ("total_filter_chains_draining", "total_listeners_draining")
    chains, listeners = (int(counts[f"listener_manager.{name}"]) for name in names)
    return chains, listeners


async def test_no_request_fails_while_entries_change(target: LocalEnvoyTarget, world: World) -> None:
    """Under a run of changes no request to a registered host meets a route without a cluster."""
    envoy = target.envoy.address
    base = (mesh_policy("REGISTRY_ONLY"), entry("aliyun-com-ext"))
    await apply(target, *base)
    stop = asyncio.Event()

    async def keep_asking() -> set[int]:
        seen = set()
        while not stop.is_set():
            seen.add((await ask(await connect(envoy, 80, world.http))).status)
        return seen

    asking = asyncio.create_task(keep_asking())
    for number in range(9):
        more = entry("more", hosts=[f"h{number}.example.com"])
        moved = entry("aliyun-com-ext", resolution="STATIC", endpoints=[endpoint(world)])
        await apply(target, base[0], moved if number % 2 else base[1], more)
    stop.set()
    assert await asking == {301}


def endpoint(world: World) -> dict[str, object]:
    """The services as a STATIC endpoint."""
    return {"address": "127.0.0.1", "ports": {"http": world.http, "https": world.tls}}


async def test_killed_envoy_comes_back_as_it_was(target: LocalEnvoyTarget, world: World) -> None:
    """Envoy killed with SIGKILL is restarted and serves by the last applied objects; changes go on."""
    envoy = target.envoy
    await apply(target, mesh_policy("REGISTRY_ONLY"), entry("aliyun-com-ext"))
    killed = envoy.pid
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    await until(lambda: envoy.pid not in (None, killed))
    async with asyncio.timeout(SECONDS):
        while True:
            if (answer := await status_or_none(envoy.address, world)) is not None:
                break
            await asyncio.sleep(0.02)
    assert answer == 301
    await apply(target, mesh_policy("REGISTRY_ONLY"))
    assert (await ask(await connect(envoy.address, 80, world.http))).status == 502


async def test_envoy_killed_in_the_middle_of_a_change(target: LocalEnvoyTarget, world: World) -> None:
    """A change during which Envoy dies is there once the change returns."""
    envoy = target.envoy
    for revision in range(4):
        assert envoy.pid is not None
        os.kill(envoy.pid, signal.SIGKILL)
        mode = "ALLOW_ANY" if revision % 2 else "REGISTRY_ONLY"
        await apply(target, mesh_policy(mode), revision=revision)
        status = (await ask(await connect(envoy.address, 80, world.http))).status
        assert status == (301 if revision % 2 else 502)


async def status_or_none(envoy: Path, world: World) -> int | None:
    """The answer's status; None while there is no answer."""
    try:
        return (await ask(await connect(envoy, 80, world.http))).status
    except (OSError, asyncio.IncompleteReadError):
        return None


def damaged(file: XdsFile) -> XdsFile:
    """The file with a field that Envoy does not know."""
    first, *rest = file.resources
    return xds_file([{**first, "no_such_field": 1}, *rest])


@pytest.mark.parametrize("kind", ["clusters", "listeners", "routes"])
async def test_refused_file_is_taken_back(tmp_path: Path, world: World, kind: str) -> None:
    """A file that Envoy refuses is reported in Envoy's words, and what it served before it serves on."""
    # Longer than a unix socket's path may be.
    folder = tmp_path / ("deep" * 15) / ("deeper" * 15)
    workload = LocalWorkload("default")
    files = compile_xds([mesh_policy("REGISTRY_ONLY")], workload=workload, resolve=world.resolve(), trust=None)
    open_files = compile_xds([], workload=workload, resolve=world.resolve(), trust=None)
    bad = {
        "clusters": replace(open_files, clusters=damaged(open_files.clusters)),
        "listeners": replace(open_files, listeners=damaged(open_files.listeners)),
        "routes": replace(open_files, routes={"80": damaged(open_files.routes["80"])}),
    }[kind]
    envoy = Envoy(envoy_binary(), folder, name="test")
    await envoy.start(files)
    try:
        with pytest.raises(XdsRejected, match="no_such_field"):
            await envoy.update(bad)
        assert (await ask(await connect(envoy.address, 80, world.http))).status == 502
        await envoy.update(open_files)
        assert (await ask(await connect(envoy.address, 80, world.http))).status == 301
    finally:
        await envoy.stop()
