"""Timeouts, retries and routes on a real Envoy; the services count what reaches them."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from egress_server.targets.local.target import LocalEnvoyTarget
from tests.integration.local.objects import apply, delay, http_entry, mesh_policy, to, virtual_service
from tests.integration.local.upstream import running_upstream
from tests.integration.local.world import World, connect

API = "api.example.com"


async def status(target: LocalEnvoyTarget, host: str = API, lines: str = "") -> int:
    """The status of the answer to one request."""
    reader, writer = await connect(target.envoy.address, 80, 1)
    writer.write(f"HEAD / HTTP/1.1\r\nhost: {host}\r\n{lines}\r\n".encode())
    return int((await reader.readuntil(b"\r\n\r\n")).split()[1])


async def test_timeout(target: LocalEnvoyTarget) -> None:
    """A service that is silent for longer than the timeout is a 504."""
    async with running_upstream() as upstream:
        upstream.open.clear()
        await apply(target, http_entry("api", upstream.port), virtual_service(API, {"timeout": "0.1s"}))
        assert await status(target) == 504
        assert upstream.requests == 1


async def test_timeout_does_not_bound_a_delay(target: LocalEnvoyTarget) -> None:
    """An injected delay is over before the timeout begins to count."""
    async with running_upstream() as upstream:
        await apply(
            target,
            http_entry("api", upstream.port),
            virtual_service(API, {"fault": delay("0.3s"), "timeout": "0.1s"}),
        )
        began = asyncio.get_running_loop().time()
        assert await status(target) == 200
        # Envoy's timers may be some milliseconds early.
        assert asyncio.get_running_loop().time() - began >= 0.25


@pytest.mark.parametrize(("attempts", "tries"), [(2, 3), (5, 6), (0, 1)])
async def test_retries(target: LocalEnvoyTarget, attempts: int, tries: int) -> None:
    """`attempts: n` means at most n tries after the first."""
    async with running_upstream(503) as upstream:
        retries = {"attempts": attempts, "retryOn": "5xx"}
        await apply(target, http_entry("api", upstream.port), virtual_service(API, {"retries": retries}))
        assert await status(target) == 503
        assert upstream.requests == tries


async def test_retries_on_a_status(target: LocalEnvoyTarget) -> None:
    """A status code among the conditions is one to try again on, others are not."""
    async with running_upstream(429) as upstream:
        retries = {"attempts": 1, "retryOn": "connect-failure,429"}
        await apply(target, http_entry("api", upstream.port), virtual_service(API, {"retries": retries}))
        assert (await status(target), upstream.requests) == (429, 2)
        upstream.status = 500
        assert (await status(target), upstream.requests) == (500, 3)


async def test_time_for_each_try(target: LocalEnvoyTarget) -> None:
    """A try that takes too long is given up, and by the right condition made again."""
    async with running_upstream() as upstream:
        upstream.open.clear()
        retries = {"attempts": 2, "perTryTimeout": "0.1s", "retryOn": "5xx"}
        await apply(target, http_entry("api", upstream.port), virtual_service(API, {"retries": retries}))
        assert await status(target) == 504
        assert upstream.requests == 3


async def test_refused_connections_are_tried_again_unasked(target: LocalEnvoyTarget) -> None:
    """Without any settings Istio's default holds: what another address may serve is tried there."""
    async with running_upstream() as upstream:
        await apply(target, http_entry("api", 1, upstream.port))
        assert [await status(target) for _ in range(10)] == [200] * 10


async def test_weights(target: LocalEnvoyTarget, world: World) -> None:
    """Requests spread over the destinations by their weights; one of weight 0 gets none."""
    async with running_upstream() as upstream, running_upstream() as none:
        entries = [
            http_entry("api", world.http),
            http_entry("new", upstream.port),
            http_entry("none", none.port),
        ]
        split = [to(API, 80), to("new.example.com", 20), {**to("none.example.com"), "weight": 0}]
        await apply(target, mesh_policy("REGISTRY_ONLY"), *entries, virtual_service(API, {"route": split}))
        seen = Counter([await status(target) for _ in range(200)])
        assert seen[301] + seen[200] == 200
        assert 10 < seen[200] < 80
        assert (upstream.requests, none.requests) == (seen[200], 0)


async def test_routes_by_header(target: LocalEnvoyTarget, world: World) -> None:
    """Requests with a header go to another service, by its own port if the route sets one; the rest to the host."""
    async with running_upstream() as upstream:
        canary = http_entry("canary", upstream.port, ports=[{"number": 8080, "name": "http", "protocol": "HTTP"}])
        beta = {"match": [{"headers": {"x-beta": {"exact": "1"}}}], "route": [to("canary.example.com", port=8080)]}
        await apply(target, canary, http_entry("api", world.http), virtual_service(API, beta))
        assert await status(target, lines="x-beta: 1\r\n") == 200
        assert await status(target) == 301


async def test_no_route_matches(target: LocalEnvoyTarget, world: World) -> None:
    """Without a route for the rest, the rest is a 404."""
    beta: dict[str, Any] = {"match": [{"headers": {"x-beta": {}}}]}
    await apply(target, http_entry("api", world.http), virtual_service(API, beta, fallback=False))
    assert await status(target, lines="x-beta: 1\r\n") == 301
    assert await status(target) == 404


async def test_unregistered_destination(target: LocalEnvoyTarget, world: World) -> None:
    """A route to a host without an entry is a 503, under ALLOW_ANY too."""
    away = {"route": [to("nowhere.example.com")]}
    await apply(target, http_entry("api", world.http), virtual_service(API, away))
    assert await status(target) == 503


async def test_oldest_owns_the_host(target: LocalEnvoyTarget, world: World) -> None:
    """Of two VirtualServices for a host only the older counts, whatever its namespace."""
    old = virtual_service(API, {"fault": {"abort": {"percentage": {"value": 100}, "httpStatus": 501}}}, namespace="a")
    new = virtual_service(API, {"fault": {"abort": {"percentage": {"value": 100}, "httpStatus": 502}}})
    await apply(target, http_entry("api", world.http), old)
    await apply(target, http_entry("api", world.http), old, new)
    assert await status(target) == 501
    await apply(target, http_entry("api", world.http), new)
    assert await status(target) == 502
