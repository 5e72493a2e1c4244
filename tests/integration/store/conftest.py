"""Embedded stores in short folders, on each redis-server we support."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.redis import VERSIONS, only_on_path, server_of, short_dir


@pytest.fixture
def folder() -> Iterator[Path]:
    """A data directory to be."""
    with short_dir() as path:
        yield path / "data"


@pytest.fixture(params=VERSIONS)
def redis_on_path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Makes the redis-server of a version the one that an embedded store finds."""
    monkeypatch.setenv("PATH", only_on_path(request.param, os.environ["PATH"]))
    return str(server_of(request.param))
