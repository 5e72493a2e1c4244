"""egressctl config, and which server a command uses."""

import re
from pathlib import Path

import pytest

from egress.cli.support import config_file
from tests.unit.sdk.cli.conftest import Run
from tests.unit.sdk.fake_server import FakeServer


@pytest.fixture
def contexts(run: Run) -> None:
    """Two contexts, the first of them current."""
    assert run("config", "set-context", "one", "--server", "one:1", "--mesh", "m").code == 0
    assert run("config", "set-context", "two", "--server", "two:2").code == 0


def seen(run: Run, *words: str) -> tuple[str, str, str]:
    """The server, its source, and the mesh."""
    view = run("config", "view", "-o", "json", *words).json
    return view["server"], view["serverFrom"], view["mesh"]


def test_without_a_file(run: Run) -> None:
    """Without configuration it is the server on this machine and the mesh default."""
    assert seen(run) == ("127.0.0.1:9090", "default", "default")


@pytest.mark.usefixtures("contexts")
def test_precedence(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """--server takes precedence over EGRESS_SERVER, and that over the context; --mesh over the context's mesh."""
    assert seen(run) == ("one:1", "context", "m")
    assert seen(run, "--context", "two") == ("two:2", "context", "default")
    monkeypatch.setenv("EGRESS_SERVER", "env:3")
    assert seen(run) == ("env:3", "EGRESS_SERVER", "m")
    assert seen(run, "--server", "flag:4", "--mesh", "n") == ("flag:4", "--server", "n")


@pytest.mark.usefixtures("contexts")
def test_use_context(run: Run) -> None:
    """The current context can be selected, and is marked in the list."""
    assert run("config", "use-context", "two").code == 0
    assert seen(run)[0] == "two:2"
    assert run("config", "get-contexts").out.splitlines()[2].split() == ["*", "two", "two:2"]
    assert run("config", "get-contexts", "-o", "json").json["currentContext"] == "two"


@pytest.mark.usefixtures("contexts")
def test_set_context_changes_what_is_given(run: Run) -> None:
    """Fields that are not given are kept."""
    run("config", "set-context", "one", "--mesh", "n")
    assert seen(run) == ("one:1", "context", "n")


@pytest.mark.usefixtures("contexts")
def test_unknown_context(run: Run) -> None:
    """An unknown context is a usage error that lists the known ones."""
    for words in (("config", "use-context", "three"), ("config", "view", "--context", "three")):
        done = run(*words)
        assert done.code == 2
        assert "one, two" in done.err


def test_a_context_is_used_for_calls(run: Run, server: FakeServer) -> None:
    """A call goes to the context's server and mesh."""
    run("config", "set-context", "here", "--server", server.target, "--mesh", "m")
    assert run("cluster", "list").code == 0
    assert getattr(server.requests[0][1], "parent", "") == "meshes/m"


@pytest.mark.parametrize("content", ["contexts: [", "contexts: 1", "- a", "contexts: {a: 1}"])
def test_broken_file(run: Run, content: str) -> None:
    """A file that cannot be read is a usage error that names it, never a traceback."""
    config_file.path().write_text(content)
    done = run("cluster", "list")
    assert done.code == 2
    assert "config.yaml" in re.sub(r"[\s│]", "", done.err)


def test_a_file_that_cannot_be_written(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A file that cannot be written is a usage error too."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("EGRESS_CONFIG", str(tmp_path / "file" / "config.yaml"))
    assert run("config", "set-context", "a", "--server", "b:1").code == 2


def test_where_the_file_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is EGRESS_CONFIG, or below XDG_CONFIG_HOME, or below ~/.config."""
    monkeypatch.delenv("EGRESS_CONFIG")
    monkeypatch.setenv("XDG_CONFIG_HOME", "/xdg")
    assert config_file.path() == Path("/xdg/egress/config.yaml")
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("HOME", "/users/ada")
    assert config_file.path() == Path("/users/ada/.config/egress/config.yaml")
