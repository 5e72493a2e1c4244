"""What the source document promises, on a real Envoy; expected answers as real Istio gave them."""

import asyncio
import ssl

import pytest

from egress_server.targets.local.target import LocalEnvoyTarget
from tests.integration.local.objects import apply, entry, mesh_policy
from tests.integration.local.world import HOST, World, ask, connect, connect_tls

CUT = (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError)


async def test_allow_any(target: LocalEnvoyTarget, world: World) -> None:
    """ALLOW_ANY without an entry: HTTP passes through Envoy's eyes, TLS as it is."""
    envoy = target.envoy.address
    plain = await ask(await connect(envoy, 80, world.http))
    assert plain.status == 301
    assert plain.headers["server"] == "envoy"
    assert "x-envoy-upstream-service-time" in plain.headers
    assert "x-request-id" in world.seen
    secure = await ask(await connect_tls(envoy, world))
    assert (secure.status, secure.headers["server"]) == (200, "Tengine")


async def test_allow_any_on_unregistered_port(target: LocalEnvoyTarget, world: World) -> None:
    """ALLOW_ANY on an unregistered port: HTTP passes as TCP, without a trace of Envoy."""
    plain = await ask(await connect(target.envoy.address, 8080, world.http))
    assert (plain.status, plain.headers["server"]) == (301, "Tengine")
    assert "x-request-id" not in world.seen


async def test_registry_only(target: LocalEnvoyTarget, world: World) -> None:
    """REGISTRY_ONLY without an entry: 502 from Envoy, TLS and TCP are cut."""
    await apply(target, mesh_policy("REGISTRY_ONLY"))
    envoy = target.envoy.address
    plain = await ask(await connect(envoy, 80, world.http))
    assert plain.status == 502
    assert plain.headers["server"] == "envoy"
    assert plain.headers["transfer-encoding"] == "chunked"
    assert world.seen == {}
    with pytest.raises(CUT):
        await connect_tls(envoy, world)
    with pytest.raises(CUT):
        await ask(await connect(envoy, 8080, world.http))


@pytest.mark.parametrize("namespace", ["default", "another"])
async def test_service_entry(target: LocalEnvoyTarget, world: World, namespace: str) -> None:
    """REGISTRY_ONLY with the document's entry, in whatever namespace: HTTP 301 and TLS 200; other hosts stay cut."""
    await apply(target, mesh_policy("REGISTRY_ONLY"), entry("aliyun-com-ext", namespace))
    envoy = target.envoy.address
    plain = await ask(await connect(envoy, 80, world.http))
    assert (plain.status, plain.headers["server"]) == (301, "envoy")
    assert "x-envoy-upstream-service-time" in plain.headers
    assert world.seen["x-envoy-attempt-count"] == "1"
    assert world.seen["x-envoy-decorator-operation"] == f"{HOST}:80/*"
    assert world.seen["x-forwarded-proto"] == "http"
    secure = await ask(await connect_tls(envoy, world))
    assert (secure.status, secure.headers["server"]) == (200, "Tengine")
    other = await ask(await connect(envoy, 80, world.http), host="other.example.com")
    assert other.status == 502
    with pytest.raises(CUT):
        await connect_tls(envoy, world, host="other.example.com")


async def test_routed_by_host_not_by_address(target: LocalEnvoyTarget, world: World) -> None:
    """A registered host is reached by its own endpoints, wherever the application dialled."""
    await apply(target, mesh_policy("REGISTRY_ONLY"), entry("aliyun-com-ext"))
    plain = await ask(await connect(target.envoy.address, 80, real_port=1))
    assert plain.status == 301


async def test_namespace_policy(target: LocalEnvoyTarget, world: World) -> None:
    """A Sidecar of the workload's namespace blocks although the mesh allows."""
    own = mesh_policy("REGISTRY_ONLY")
    own["metadata"]["namespace"] = "default"
    await apply(target, mesh_policy("ALLOW_ANY"), own)
    plain = await ask(await connect(target.envoy.address, 80, world.http))
    assert plain.status == 502


async def test_passthrough_tells_upstreams_of_one_address_apart(target: LocalEnvoyTarget, world: World) -> None:
    """Hosts that share an address and differ only in the real port pass each to its own."""
    envoy = target.envoy.address
    plain = await ask(await connect(envoy, 80, world.http))
    reader, _ = await connect(envoy, 8080, world.greeter)
    assert plain.status == 301
    assert await reader.readline() == b"hello\n"


async def test_evidence_names(target: LocalEnvoyTarget, world: World) -> None:
    """Envoy's own account of where a connection went bears Istio's cluster names."""
    await ask(await connect(target.envoy.address, 80, world.http), host="other.example.com")
    await apply(target, entry("aliyun-com-ext"))
    await ask(await connect(target.envoy.address, 80, world.http))
    page = (await target.envoy.admin.get("/clusters")).decode()
    assert f"PassthroughCluster::127.0.0.1:{world.http}::rq_total::1" in page
    assert f"outbound|80||{HOST}::127.0.0.1:{world.http}::rq_total::1" in page
    assert f"outbound|443||{HOST}::127.0.0.1:{world.tls}::cx_total::0" in page
    assert "BlackHoleCluster::" in page
