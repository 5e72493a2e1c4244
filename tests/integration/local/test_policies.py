"""TLS origination, limits and outlier detection on a real Envoy."""

import asyncio
import ssl
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from egress_server.domain.model.objects import IstioObject
from egress_server.targets.local.target import LocalEnvoyTarget
from tests.integration.local.objects import apply, destination_rule, entry, http_entry, mesh_policy
from tests.integration.local.upstream import Upstream, running_upstream
from tests.integration.local.world import HOST, World, ask, connect, connect_tls
from tests.support.meshes import cluster
from tests.support.waiting import until

API = "api.example.com"
OVER_TLS = entry(
    "aliyun-com-ext",
    ports=[
        {"number": 80, "name": "http", "protocol": "HTTP", "targetPort": 443},
        {"number": 443, "name": "https", "protocol": "HTTPS"},
    ],
)


def origination(**tls: Any) -> IstioObject:
    """TLS for what the workload asks on port 80, and only there."""
    return destination_rule(HOST, portLevelSettings=[{"port": {"number": 80}, "tls": {"mode": "SIMPLE", **tls}}])


async def until_clusters_show(target: LocalEnvoyTarget, text: bytes) -> None:
    """Waits for a text in Envoy's list of clusters."""

    async def shown() -> bool:
        return text in await target.envoy.admin.get("/clusters")

    await until(shown, f"{text!r} in /clusters")


@pytest.fixture
async def secure(tmp_path: Path, world: World) -> AsyncIterator[Upstream]:
    """An HTTPS service with the certificate of the world's, in its place for clusters started later."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "certificate.pem", tmp_path / "key.pem")
    async with running_upstream(tls=context) as upstream:
        world.tls = upstream.port
        yield upstream


@pytest.fixture
async def trusting(
    tmp_path: Path, secure: Upstream, world: World, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[LocalEnvoyTarget]:
    """A cluster on a machine whose CA certificates are the world's own."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
    started = LocalEnvoyTarget(tmp_path / "trusting", name="test", namespace="default", resolve=world.resolve())
    await started.start()
    try:
        yield started
    finally:
        await started.stop()


async def test_tls_origination(trusting: LocalEnvoyTarget, secure: Upstream, world: World) -> None:
    """HTTP in, TLS out, by the request's host and checked; what the workload encrypts itself stays as it is."""
    await apply(trusting, mesh_policy("REGISTRY_ONLY"), OVER_TLS, origination())
    plain = await ask(await connect(trusting.envoy.address, 80, 1))
    assert (plain.status, plain.headers["server"]) == (200, "envoy")
    assert secure.names == [HOST]
    assert (await ask(await connect_tls(trusting.envoy.address, world))).headers["server"] == "Tengine"


async def test_tls_origination_with_another_name(trusting: LocalEnvoyTarget, secure: Upstream) -> None:
    """An SNI of its own is what the service sees; the certificate's name is then checked only if it is said."""
    await apply(trusting, OVER_TLS, origination(sni="other.example.net"))
    assert (await ask(await connect(trusting.envoy.address, 80, 1))).status == 200
    assert secure.names == ["other.example.net"]
    await apply(trusting, OVER_TLS, origination(sni="other.example.net", subjectAltNames=["other.example.net"]))
    assert (await ask(await connect(trusting.envoy.address, 80, 1))).status == 503
    await apply(trusting, OVER_TLS, origination(sni="other.example.net", subjectAltNames=[HOST]))
    assert (await ask(await connect(trusting.envoy.address, 80, 1))).status == 200


async def test_certificate_of_an_unknown_ca(secure: Upstream, target: LocalEnvoyTarget) -> None:
    """A certificate that the machine's CAs did not sign is refused, unless verification is off."""
    rule = origination()
    if not target.project([rule], cluster(), await target.gather()).objects:
        pytest.skip("this machine has no CA certificates")
    await apply(target, OVER_TLS, rule)
    assert (await ask(await connect(target.envoy.address, 80, 1))).status == 503


async def test_certificate_is_not_verified(secure: Upstream, target: LocalEnvoyTarget) -> None:
    """With insecureSkipVerify any certificate will do."""
    await apply(target, OVER_TLS, origination(insecureSkipVerify=True))
    assert (await ask(await connect(target.envoy.address, 80, 1))).status == 200
    assert secure.names == [HOST]


async def test_limits(target: LocalEnvoyTarget) -> None:
    """Of more requests than may be under way or wait, the last is refused immediately and reaches no server."""
    pool = {"tcp": {"maxConnections": 1}, "http": {"http1MaxPendingRequests": 1}}
    async with running_upstream() as upstream:
        upstream.open.clear()
        await apply(target, http_entry("api", upstream.port), destination_rule(API, connectionPool=pool))
        envoy = target.envoy
        first = asyncio.create_task(ask(await connect(envoy.address, 80, 1), host=API))
        await until(lambda: upstream.waiting == 1)
        second = asyncio.create_task(ask(await connect(envoy.address, 80, 1), host=API))
        await until_clusters_show(target, b"rq_pending_active::1")
        third = await ask(await connect(envoy.address, 80, 1), host=API)
        assert (third.status, third.headers["x-envoy-overloaded"]) == (503, "true")
        upstream.open.set()
        assert [(await first).status, (await second).status] == [200, 200]
        assert (upstream.requests, upstream.connections) == (2, 1)


async def test_settings_of_a_port_replace_the_host_s(target: LocalEnvoyTarget) -> None:
    """What a port has settings for of its own follows nothing of the host's."""
    ports = [{"number": number, "name": f"p{number}", "protocol": "HTTP"} for number in (80, 8080)]
    async with running_upstream() as upstream:
        endpoints = [{"address": "127.0.0.1", "ports": {"p80": upstream.port, "p8080": upstream.port}}]
        once = {"connectionPool": {"http": {"maxRequestsPerConnection": 1}}}
        own = [{"port": {"number": 8080}, "outlierDetection": {"consecutive5xxErrors": 5}}]
        rule = destination_rule(API, **once, portLevelSettings=own)
        await apply(target, entry("api", hosts=[API], ports=ports, resolution="STATIC", endpoints=endpoints), rule)
        used = []
        for port in (80, 8080):
            before = upstream.connections
            streams = await connect(target.envoy.address, port, 1)
            assert [(await ask(streams, host=API)).status for _ in range(3)] == [200, 200, 200]
            used.append(upstream.connections - before)
        assert used == [3, 1]


async def test_outlier_detection(target: LocalEnvoyTarget) -> None:
    """An address that keeps failing is left out; the others get all requests."""
    detection = {"consecutive5xxErrors": 2, "baseEjectionTime": "60s", "maxEjectionPercent": 50}
    async with running_upstream() as good, running_upstream(500) as bad:
        rule = destination_rule(API, outlierDetection=detection)
        await apply(target, http_entry("api", good.port, bad.port), rule)
        streams = await connect(target.envoy.address, 80, 1)
        async with asyncio.timeout(10):
            while bad.requests < 2:
                await ask(streams, host=API)
        # Envoy's main thread takes the address out a moment later, and its workers hear of it a moment after that.
        await until_clusters_show(target, b"/failed_outlier_check")
        assert bad.requests == 2
        async with asyncio.timeout(10):
            while [(await ask(streams, host=API)).status for _ in range(10)] != [200] * 10:
                pass
        assert Counter([(await ask(streams, host=API)).status for _ in range(48)]) == {200: 48}


async def test_wildcard_rule(target: LocalEnvoyTarget) -> None:
    """A rule for a wildcard host applies to each host that it matches, unless the host has its own."""
    once = {"connectionPool": {"http": {"maxRequestsPerConnection": 1}}}
    async with running_upstream() as upstream:
        entries = [http_entry(name, upstream.port) for name in ("api", "own")]
        rules = [destination_rule("*.example.com", **once), destination_rule("own.example.com")]
        await apply(target, *entries, *rules)
        used = []
        for name in ("api", "own"):
            before = upstream.connections
            streams = await connect(target.envoy.address, 80, 1)
            for _ in range(2):
                assert (await ask(streams, host=f"{name}.example.com")).status == 200
            used.append(upstream.connections - before)
        assert used == [2, 1]
