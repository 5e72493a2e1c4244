"""egressctl doctor."""

from egress import __version__
from tests.unit.sdk.cli.conftest import Run
from tests.unit.sdk.fake_server import FakeServer
from tests.unit.sdk.statuses import NOT_FOUND


def verdicts(ctl: Run) -> dict[str, str]:
    """Each check's verdict."""
    return {check["name"]: check["verdict"] for check in ctl("doctor", "-o", "json").json["checks"]}


def test_all_is_well(ctl: Run, server: FakeServer) -> None:
    """Connection, health, versions and clock are checked."""
    server.metadata = {"egress-version": __version__}
    names = ("client", "target", "connection", "health", "call", "server", "clock")
    assert verdicts(ctl) == dict.fromkeys(names, "ok")
    done = ctl("doctor")
    assert done.code == 0
    assert f"ok   server: egressd {__version__}" in done.out


def test_versions_that_differ(ctl: Run) -> None:
    """A server of another version is a warning."""
    assert verdicts(ctl)["server"] == "warn"


def test_a_server_that_tells_nothing(ctl: Run, server: FakeServer) -> None:
    """A server without a version is a warning, not an error."""
    server.metadata = {}
    assert verdicts(ctl)["server"] == "warn"


def test_a_clock_that_is_off(ctl: Run, server: FakeServer) -> None:
    """A skew of seconds is a warning with its size."""
    server.metadata = {"egress-time": "1000000"}
    done = ctl("doctor")
    assert done.code == 0
    assert "s behind" in done.out


def test_a_call_that_fails(ctl: Run, server: FakeServer) -> None:
    """A server that is reachable but does not answer exits with status 3."""
    server.answer("ListClusters", NOT_FOUND)
    done = ctl("doctor")
    assert done.code == 3
    assert "fail call: NOT_FOUND: no such policy" in done.out


def test_unreachable(run: Run) -> None:
    """If the server cannot be reached, it prints a fix and exits with status 3."""
    done = run("doctor", "--server", "127.0.0.1:1")
    assert done.code == 3
    assert "cannot connect to 127.0.0.1:1" in done.out
    assert "egressd run" in done.out
