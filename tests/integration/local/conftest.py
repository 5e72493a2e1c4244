"""The services on loopback and a local cluster with a real Envoy, new for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from egress_server.targets.local.target import LocalEnvoyTarget
from tests.integration.local.world import World, running_world


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
