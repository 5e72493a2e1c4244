"""Embedded stores in short folders, on each supported server."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.redis import SERVERS, only, short_dir


@pytest.fixture
def folder() -> Iterator[Path]:
    """A data directory that does not exist yet."""
    with short_dir() as path:
        yield path / "data"


@pytest.fixture(params=SERVERS)
def servers(request: pytest.FixtureRequest) -> Callable[[], list[Path]]:
    """A machine with only one server."""
    machine = only(request.param)
    machine()  # skips here
    return machine
