"""What the tests of the SDK and the CLI share: a fake server, and an empty configuration."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.sdk.fake_server import FakeServer, fake_server


@pytest.fixture
def server() -> Iterator[FakeServer]:
    """A fake server."""
    with fake_server() as fake:
        yield fake


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("EGRESS_SERVER", raising=False)
    monkeypatch.setenv("EGRESS_CONFIG", str(tmp_path / "config.yaml"))
