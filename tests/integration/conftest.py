"""What integration tests share."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder with a short path: sockets live in it."""
    with tempfile.TemporaryDirectory(prefix="egressd-") as folder:
        yield Path(folder)
