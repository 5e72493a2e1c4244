"""The settings tree: every knob with its unit, default and reason, checked before anything starts.

Each can be given by flag, or by an environment variable with the prefix EGRESSD_ (EGRESSD_DATA_DIR and so on).
"""

from ipaddress import ip_address
from pathlib import Path

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from egress_server.domain.resolve import Resolve, parse_resolve


class Settings(BaseSettings):
    """What `egressd run` can be told."""

    model_config = SettingsConfigDict(env_prefix="EGRESSD_", frozen=True)

    data_dir: Path = Path(".egress")
    """Where the embedded store and the local clusters keep their state; made with mode 0700."""

    grpc_address: str = "127.0.0.1:9090"
    """HOST:PORT or unix:PATH. Loopback only, as there is no authentication yet. Port 0 takes a free one."""

    http_address: str = "127.0.0.1:8080"
    """HOST:PORT. Loopback only, as there is no authentication yet. Port 0 takes a free one."""

    redis_url: str = ""
    """An external Redis; where empty, an embedded redis-server is started below data_dir."""

    local_clusters: tuple[str, ...] = ()
    """Ids of clusters with a local Envoy and an agent."""

    resolve: tuple[Resolve, ...] = ()
    """What stands in for DNS in local clusters."""

    log_level: str = Field("info", pattern="^(debug|info|warning|error)$")
    """Least level of log lines; they go to standard error as JSON."""

    trace_ratio: float = Field(0.1, ge=0, le=1)
    """Share of calls that are traced, where the caller has not decided already."""

    otlp_endpoint: str = ""
    """OTLP/HTTP endpoint for traces; where empty, none are exported."""

    cors_origins: tuple[str, ...] = ()
    """Origins of web pages that may call the REST API."""

    drain_seconds: float = Field(10.0, ge=0, le=300)
    """How long calls that are under way may take after a stop signal."""

    @field_validator("resolve", mode="before")
    @classmethod
    def _parse_resolve(cls, value: object) -> object:
        if isinstance(value, list | tuple):
            return tuple(parse_resolve(v) if isinstance(v, str) else v for v in value)
        return value

    @field_validator("grpc_address")
    @classmethod
    def _check_grpc(cls, value: str) -> str:
        return value if value.startswith("unix:") and len(value) > len("unix:") else _loopback(value)

    @field_validator("http_address")
    @classmethod
    def _check_http(cls, value: str) -> str:
        return _loopback(value)


def split_address(address: str) -> tuple[str, int]:
    """Host (without brackets) and port of HOST:PORT; raises ValueError."""
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"{address!r} must be HOST:PORT")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _loopback(address: str) -> str:
    host, _ = split_address(address)
    if host == "localhost":
        return address
    try:
        is_loopback = ip_address(host).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback:
        raise ValueError(
            f"{address!r} is not a loopback address; without authentication the server listens nowhere else"
        )
    return address
