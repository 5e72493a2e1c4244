"""A gateway in process over a fake pipeline."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.unit.gateway.fakes import FakePipeline, app_over, client_of


@pytest.fixture
def pipeline() -> FakePipeline:
    """The pipeline that the gateway calls."""
    return FakePipeline()


@pytest.fixture
async def client(pipeline: FakePipeline) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a gateway with default settings."""
    async with client_of(app_over(pipeline)) as made:
        yield made
