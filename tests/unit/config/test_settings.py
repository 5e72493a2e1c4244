"""Settings: what can be set by flag and by environment, and what is refused before anything starts."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from egress_server.auth.local import LocalUser
from egress_server.config import RunSettings, split_address
from egress_server.config.host_overrides import HostOverride


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of the machine does not count here."""
    for name in RunSettings.model_fields:
        monkeypatch.delenv(f"EGRESSD_{name.upper()}", raising=False)


def test_nothing_need_be_told() -> None:
    """The defaults in the README."""
    settings = RunSettings()
    assert (settings.grpc_address, settings.http_address) == ("127.0.0.1:9090", "127.0.0.1:8080")
    assert settings.data_dir == Path(".egress")
    assert (settings.redis_url, settings.local_clusters, settings.resolve) == ("", (), ())


def test_the_environment_tells_what_no_flag_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists separated by commas; a flag takes precedence."""
    monkeypatch.setenv("EGRESSD_LOCAL_CLUSTERS", "east, west,")
    monkeypatch.setenv("EGRESSD_RESOLVE", "a.b:80:127.0.0.1:8081,c.d:443:[::1]")
    monkeypatch.setenv("EGRESSD_CORS_ORIGINS", "https://a.example")
    monkeypatch.setenv("EGRESSD_TRACE_RATIO", "0.5")
    monkeypatch.setenv("EGRESSD_LOG_LEVEL", "debug")
    settings = RunSettings(log_level="error")
    assert settings.local_clusters == ("east", "west")
    assert settings.resolve == (HostOverride("a.b", 80, "127.0.0.1", 8081), HostOverride("c.d", 443, "::1", 443))
    assert settings.cors_origins == ("https://a.example",)
    assert (settings.trace_ratio, settings.log_level) == (0.5, "error")


@pytest.mark.parametrize("address", ["127.0.0.1:0", "127.9.9.9:65535", "localhost:1", "[::1]:9090"])
def test_loopback_is_listened_on(address: str) -> None:
    """By number or name."""
    assert RunSettings(grpc_address=address, http_address=address).http_address == address


def test_both_may_be_sockets() -> None:
    """gRPC and HTTP, each at its own path."""
    settings = RunSettings(grpc_address="unix:/run/grpc.sock", http_address="unix:/run/http.sock")
    assert (settings.grpc_address, settings.http_address) == ("unix:/run/grpc.sock", "unix:/run/http.sock")


@pytest.mark.parametrize(
    ("fields", "field", "said"),
    [
        ({"http_address": "0.0.0.0:80"}, "http_address", "is not a loopback address"),
        ({"http_address": "[::]:80"}, "http_address", "is not a loopback address"),
        ({"grpc_address": "203.0.113.7:80"}, "grpc_address", "is not a loopback address"),
        ({"grpc_address": "egress.example:80"}, "grpc_address", "is not a loopback address"),
        ({"grpc_address": "127.0.0.1"}, "grpc_address", "must be HOST:PORT"),
        ({"grpc_address": ":80"}, "grpc_address", "must be HOST:PORT"),
        ({"grpc_address": "127.0.0.1:65536"}, "grpc_address", "must be HOST:PORT"),
        ({"grpc_address": "127.0.0.1:²"}, "grpc_address", "must be HOST:PORT"),
        ({"grpc_address": "127.0.0.1:x"}, "grpc_address", "must be HOST:PORT"),
        ({"grpc_address": "::1:80"}, "grpc_address", "with brackets around an IPv6 HOST"),
        ({"grpc_address": "unix:"}, "grpc_address", "must be HOST:PORT"),
        ({"local_clusters": ["east", "We st"]}, "local_clusters", "id 'We st' must be 1 to 63 lowercase"),
        ({"local_clusters": ["a/b"]}, "local_clusters", "id 'a/b' must be"),
        ({"resolve": ["a.b"]}, "resolve", "expected HOST:PORT:ADDRESS[:PORT2]"),
        ({"log_level": "loud"}, "log_level", "must be one of debug, info, warning, error"),
        ({"trace_ratio": 1.1}, "trace_ratio", "must be between 0 and 1"),
        ({"drain_seconds": -1}, "drain_seconds", "must be between 0 and 300"),
    ],
)
def test_what_can_not_be_is_refused_by_its_name(fields: dict[str, Any], field: str, said: str) -> None:
    """Before anything starts, by flag as by environment."""
    with pytest.raises(ValidationError) as caught:
        RunSettings(**fields)
    (error,) = caught.value.errors()
    assert error["loc"][0] == field
    assert said in error["msg"]


def test_broken_environment_is_an_error_like_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not a traceback of a library."""
    monkeypatch.setenv("EGRESSD_RESOLVE", "[oops")
    with pytest.raises(ValidationError, match="expected HOST"):
        RunSettings()


def test_settings_do_not_change() -> None:
    """Settings can't change after they were checked."""
    with pytest.raises(ValidationError):
        RunSettings().log_level = "debug"


@pytest.mark.parametrize(
    ("address", "parts"),
    [("127.0.0.1:80", ("127.0.0.1", 80)), ("[::1]:0", ("::1", 0)), ("localhost:9", ("localhost", 9))],
)
def test_addresses_are_taken_apart(address: str, parts: tuple[str, int]) -> None:
    """IPv6 without brackets."""
    assert split_address(address) == parts


@pytest.mark.parametrize(
    ("peer", "name"),
    [
        ("uid:0", "user:root"),
        ("uid:4294967294", "user:4294967294"),
        ("127.0.0.1:1234", "local:unknown"),
        ("ipv4:127.0.0.1:1234", "local:unknown"),
        ("unix:", "local:unknown"),
        ("unix:uid:0", "local:unknown"),
        ("", "local:unknown"),
    ],
)
async def test_without_authentication_the_caller_is_whom_the_kernel_names(peer: str, name: str) -> None:
    """No caller is taken for the user that runs the server. Every caller may do everything."""
    user = LocalUser()
    principal = await user.authenticate({}, peer)
    assert principal.name == name
    await user.authorize(principal, "egress.clusters.register", "default")
