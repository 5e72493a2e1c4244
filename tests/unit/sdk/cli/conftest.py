"""Runs egressctl against the fake server."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from typer.testing import CliRunner

from egress.cli.app import app
from tests.unit.sdk.fake_server import FakeServer


@dataclass(frozen=True)
class Ran:
    """The result of a command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as JSON."""
        return json.loads(self.out)


Run = Callable[..., Ran]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs egressctl in this process, without a server."""
    monkeypatch.setenv("TERM", "dumb")

    def run(*words: str, stdin: str | None = None) -> Ran:
        done = CliRunner().invoke(app, words, input=stdin, catch_exceptions=False)
        return Ran(done.exit_code, done.stdout, done.stderr)

    return run


@pytest.fixture
def ctl(run: Run, server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs egressctl against the server."""
    monkeypatch.setenv("EGRESS_SERVER", server.target)
    return run
