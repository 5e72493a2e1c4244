"""What the tests of the SDK and the CLI share: a server that answers as told, and nothing of the user's own set-up."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.sdk.double import FakeServer, fake_server


@pytest.fixture
def server() -> Iterator[FakeServer]:
    """A server that answers as it is told."""
    with fake_server() as fake:
        yield fake


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("EGRESS_SERVER", raising=False)
    monkeypatch.setenv("EGRESS_CONFIG", str(tmp_path / "config.yaml"))
