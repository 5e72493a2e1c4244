"""External services on loopback, a local cluster with a real Envoy, and an agent's attempts through it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest

from egress_server.agents.agent.dialer import LocalDialer
from egress_server.agents.agent.prober import Prober
from egress_server.agents.agent.resolver import Resolver
from egress_server.agents.sidecar.envoy_admin import EnvoySidecar
from egress_server.domain.probe.evidence import Attempt, Evidence
from egress_server.targets.local.dial import open_connection
from egress_server.targets.local.target import LocalEnvoyTarget
from tests.integration.local.world import World, running_world

Make = Callable[[Attempt], Awaitable[Evidence]]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """The external services."""
    async with running_world(tmp_path) as running:
        yield running


@pytest.fixture
async def target(tmp_path: Path, world: World) -> AsyncIterator[LocalEnvoyTarget]:
    """A started local cluster that resolves the document's host to the services."""
    started = LocalEnvoyTarget(tmp_path / "cluster", name="test", namespace="default", resolve=world.resolve())
    await started.start()
    try:
        yield started
    finally:
        await started.stop()


@pytest.fixture
def make(target: LocalEnvoyTarget, world: World) -> Make:
    """Makes attempts from the cluster's one workload. What `--resolve` gave is allowed, port 8080 too."""
    pinned = {(r.host, r.port): (r.address, r.port2) for r in world.resolve()}
    pinned["www.aliyun.com", 8080] = ("127.0.0.1", world.http)
    pinned["dead.example.com", 80] = pinned["dead.example.com", 443] = ("127.0.0.1", 1)
    return Prober(
        Resolver(pinned),
        LocalDialer(partial(open_connection, target.envoy.address)),
        EnvoySidecar(target.envoy.admin.get),
        version="0.1.0",
    )
