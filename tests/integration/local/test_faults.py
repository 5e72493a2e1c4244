"""Faults on a real Envoy: what they do to requests, and what they leave alone."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from egress_server.domain.model.objects import FAULT_EXPIRY_ANNOTATION, IstioObject
from egress_server.targets.local.target import LocalEnvoyTarget
from tests.integration.local.objects import (
    abort,
    apply,
    delay,
    ending,
    entry,
    http_entry,
    mesh_policy,
    tcp_entry,
    virtual_service,
)
from tests.integration.local.test_updates import draining, echoed, greeted
from tests.integration.local.upstream import running_upstream
from tests.integration.local.world import HOST, Answer, World, ask, connect, connect_tls

ENTRY = entry("aliyun-com-ext")


def faulted(*faults: dict[str, Any], **match: Any) -> IstioObject:
    """The document's VirtualService with these faults, under the same conditions."""
    conditions = {"match": [match]} if match else {}
    return virtual_service(HOST, *({"fault": fault, **conditions} for fault in faults))


async def answer(target: LocalEnvoyTarget, port: int = 80, **headers: str) -> Answer:
    """What one request to the document's host is answered with."""
    return await ask(await connect(target.envoy.address, port, 1), **headers)


async def injected(target: LocalEnvoyTarget) -> Counter[str]:
    """How many delays and aborts Envoy counts."""
    page = (await target.envoy.admin.get("/stats?filter=fault\\.(delays|aborts)_injected")).decode()
    counts: Counter[str] = Counter()
    for line in page.splitlines():
        name, _, value = line.partition(": ")
        counts[name.rpartition(".")[2]] += int(value)
    return counts


async def test_delay(target: LocalEnvoyTarget, world: World) -> None:
    """A delay holds each request back and then lets it through; TLS does not notice."""
    await apply(target, mesh_policy("REGISTRY_ONLY"), ENTRY, faulted(delay("0.3s")))
    began = asyncio.get_running_loop().time()
    plain = await answer(target)
    # Envoy's clock is one of milliseconds, and its loop may have read it a little before the request came.
    assert asyncio.get_running_loop().time() - began >= 0.25
    assert plain.status == 301
    assert "x-envoy-upstream-service-time" in plain.headers
    assert (await ask(await connect_tls(target.envoy.address, world))).status == 200
    assert await injected(target) == {"delays_injected": 1, "aborts_injected": 0}


async def test_abort(target: LocalEnvoyTarget, world: World) -> None:
    """An abort is answered by Envoy alone; TLS is not affected."""
    await apply(target, mesh_policy("REGISTRY_ONLY"), ENTRY, faulted(abort(503)))
    plain = await answer(target)
    assert (plain.status, plain.headers["server"]) == (503, "envoy")
    assert world.seen == {}
    assert (await ask(await connect_tls(target.envoy.address, world))).status == 200


async def test_grpc_abort(target: LocalEnvoyTarget) -> None:
    """A client that does not speak gRPC sees a gRPC abort as HTTP 200."""
    fault = {"abort": {"percentage": {"value": 100.0}, "grpcStatus": "RESOURCE_EXHAUSTED"}}
    await apply(target, ENTRY, faulted(fault))
    streams = await connect(target.envoy.address, 80, 1)
    streams[1].write(f"POST / HTTP/1.1\r\nhost: {HOST}\r\ncontent-type: application/grpc\r\n\r\n".encode())
    head = (await streams[0].readuntil(b"\r\n\r\n")).decode().lower()
    assert "200 ok" in head
    assert "grpc-status: 8" in head


async def test_percentages_are_independent(target: LocalEnvoyTarget) -> None:
    """A part of the requests is delayed and a part aborted, each by its own dice."""
    await apply(target, ENTRY, faulted({**delay("0.001s", 60), **abort(503, 40)}))
    streams = await connect(target.envoy.address, 80, 1)
    seen = Counter([(await ask(streams)).status for _ in range(200)])
    counted = await injected(target)
    assert set(seen) == {301, 503}
    assert 40 < seen[503] < 120
    assert counted["aborts_injected"] == seen[503]
    assert 70 < counted["delays_injected"] < 170


async def test_missing_percentage_is_never(target: LocalEnvoyTarget) -> None:
    """A fault without a percentage is stored and does nothing."""
    await apply(target, ENTRY, faulted({"abort": {"httpStatus": 503}}))
    assert {(await answer(target)).status for _ in range(20)} == {301}


async def test_limited_by_headers(target: LocalEnvoyTarget) -> None:
    """Only requests that carry what the fault asks for are disturbed."""
    headers = {"x-env": {"exact": "test"}, "x-who": {"regex": "a[0-9]+"}, "x-any": {}, "x-start": {"prefix": "be"}}
    await apply(target, ENTRY, faulted(abort(503), headers=headers))
    right = {"x-env": "test", "x-who": "a12", "x-any": "", "x-start": "begin"}
    assert (await with_headers(target, right)) == 503
    for name, value in (("x-env", "tes"), ("x-who", "ba12"), ("x-start", "abe")):
        assert (await with_headers(target, {**right, name: value})) == 301
    assert (await with_headers(target, {k: v for k, v in right.items() if k != "x-any"})) == 301


async def with_headers(target: LocalEnvoyTarget, headers: dict[str, str]) -> int:
    """The status of the answer to a request with these headers."""
    reader, writer = await connect(target.envoy.address, 80, 1)
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    writer.write(f"HEAD / HTTP/1.1\r\nhost: {HOST}\r\n{lines}\r\n".encode())
    return int((await reader.readuntil(b"\r\n\r\n")).split()[1])


async def test_limited_by_source(target: LocalEnvoyTarget) -> None:
    """A fault for other workloads or another namespace does not affect this one."""
    faults = virtual_service(
        HOST,
        {"match": [{"sourceLabels": {"app": "other"}}], "fault": abort(500)},
        {"match": [{"sourceNamespace": "other"}], "fault": abort(501)},
        {"match": [{"sourceLabels": {"app": "local"}, "sourceNamespace": "default"}], "fault": abort(502)},
    )
    await apply(target, ENTRY, faults)
    assert (await answer(target)).status == 502


async def test_limited_to_a_port(target: LocalEnvoyTarget, world: World) -> None:
    """A fault on one port leaves the host's other HTTP ports alone; without a port it takes all of them."""
    ports = [{"number": n, "name": f"p{n}", "protocol": "HTTP", "targetPort": 80} for n in (80, 8080)]
    registered = entry("aliyun-com-ext", ports=ports)
    await apply(target, registered, faulted(abort(503), port=8080))
    assert [(await answer(target, port)).status for port in (80, 8080)] == [301, 503]
    await apply(target, registered, faulted(abort(503)))
    assert [(await answer(target, port)).status for port in (80, 8080)] == [503, 503]


async def test_several_in_order(target: LocalEnvoyTarget) -> None:
    """Of several faults on a host the first whose conditions hold disturbs a request, no other."""
    faults = virtual_service(
        HOST,
        {"match": [{"headers": {"x-a": {}, "x-b": {}}}], "fault": abort(500)},
        {"match": [{"headers": {"x-a": {}}}], "fault": abort(501)},
        {"fault": abort(502)},
    )
    await apply(target, ENTRY, faults)
    asked: list[dict[str, str]] = [{"x-a": "1", "x-b": "1"}, {"x-a": "1"}, {}]
    assert [await with_headers(target, headers) for headers in asked] == [500, 501, 502]


@pytest.mark.parametrize("mode", ["ALLOW_ANY", "REGISTRY_ONLY"])
async def test_host_without_entry(target: LocalEnvoyTarget, world: World, mode: str) -> None:
    """A fault on an unregistered host leads nowhere, whatever the policy; other hosts are not affected."""
    await apply(target, mesh_policy(mode), faulted(delay("0.01s")))
    assert (await ask(await connect(target.envoy.address, 80, world.http))).status == 503
    assert await injected(target) == {"delays_injected": 1, "aborts_injected": 0}
    other = await ask(await connect(target.envoy.address, 80, world.http), host="other.example.com")
    assert other.status == (301 if mode == "ALLOW_ANY" else 502)


async def test_wildcard(target: LocalEnvoyTarget, world: World) -> None:
    """A fault on a wildcard host disturbs the hosts that it matches, except those with routes of their own."""
    wildcard = entry("all", hosts=["*.example.com"], resolution="NONE")
    own = http_entry("own", world.http)
    routed = http_entry("routed", world.http)
    await apply(
        target,
        *(wildcard, own, routed, virtual_service("routed.example.com")),
        virtual_service("*.example.com", {"fault": abort(503)}),
    )
    envoy = target.envoy.address
    statuses = [
        (await ask(await connect(envoy, 80, world.http), host=f"{name}.example.com")).status
        for name in ("any", "own", "routed")
    ]
    assert statuses == [503, 503, 301]


async def test_faults_on_open_connections(target: LocalEnvoyTarget, world: World) -> None:
    """A fault disturbs the next request on a kept-alive connection; no connection is closed, and none will be."""
    base = (mesh_policy("REGISTRY_ONLY"), ENTRY, tcp_entry("db", 3306, world.greeter))
    await apply(target, *base)
    envoy = target.envoy
    plain, secure = await connect(envoy.address, 80, world.http), await connect_tls(envoy.address, world)
    raw = await greeted(envoy.address, 3306, world.greeter)
    assert (await ask(plain)).status == 301
    before = await draining(envoy)
    await apply(target, *base, faulted(abort(503)))
    assert (await ask(plain)).status == 503
    await apply(target, *base)
    assert (await ask(plain)).status == 301
    assert await draining(envoy) == before
    assert (await ask(secure)).status == 200
    assert await echoed(raw)


def leased(end: datetime) -> IstioObject:
    """A fault that ends then, and one that ends long after the test."""
    later = datetime.now(UTC) + timedelta(hours=1)
    routes: list[dict[str, Any]] = [
        {"name": "fault-a", "fault": abort(503)},
        {"name": "fault-b", "fault": abort(504), "match": [{"headers": {"x-b": {}}}]},
    ]
    return ending(virtual_service(HOST, *reversed(routes)), fault_a=end, fault_b=later)


async def test_ended_faults_are_taken_out(target: LocalEnvoyTarget) -> None:
    """What has ended goes, what has not stays, and the cluster's memory of the store stays as it was."""
    end = datetime.now(UTC) + timedelta(minutes=5)
    await apply(target, ENTRY, leased(end), revision=7)
    before = await target.gather()
    await target.strip_ended(end - timedelta(seconds=1))
    assert await target.gather() == before
    assert (await answer(target)).status == 503
    await target.strip_ended(end)
    assert (await answer(target)).status == 301
    assert await with_headers(target, {"x-b": "1"}) == 504
    live = await target.gather()
    assert live.witness == before.witness
    (service,) = (item for item in live.objects.values() if item["kind"] == "VirtualService")
    assert [route["name"] for route in service["spec"]["http"]] == ["fault-b", "fallback"]
    assert "fault-a" not in service["metadata"]["annotations"][FAULT_EXPIRY_ANNOTATION]


async def test_restart_after_the_end(tmp_path: Path, target: LocalEnvoyTarget, world: World) -> None:
    """A cluster that was stopped when a fault ended starts without it, on its own."""
    await apply(target, ENTRY, leased(datetime.now(UTC) + timedelta(seconds=0.2)), revision=7)
    witness = (await target.gather()).witness
    await target.stop()
    await asyncio.sleep(0.25)
    again = LocalEnvoyTarget(tmp_path / "cluster", name="test", namespace="default", resolve=world.resolve())
    await again.start()
    try:
        assert (await answer(again)).status == 301
        assert await with_headers(again, {"x-b": "1"}) == 504
        assert (await again.gather()).witness == witness
    finally:
        await again.stop()


async def test_disturbing_one_of_two_services(target: LocalEnvoyTarget, world: World) -> None:
    """A fault on one host leaves another host of the same address alone."""
    async with running_upstream() as upstream:
        other = http_entry("other", upstream.port)
        await apply(target, ENTRY, other, faulted(abort(503)))
        assert (await answer(target)).status == 503
        assert (await answer(target, host="other.example.com")).status == 200
        assert upstream.requests == 1
