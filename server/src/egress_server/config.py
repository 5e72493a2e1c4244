"""The settings tree: every knob with its unit, default and reason, checked before anything starts.

Each can be given by flag, or by an environment variable with the prefix EGRESSD_ (EGRESSD_DATA_DIR and so on; lists
with commas between).
"""

import re
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from egress_server.domain.errors import InvalidArgument
from egress_server.domain.names import Kind, check_id
from egress_server.domain.resolve import Resolve, parse_resolve

T = TypeVar("T")
_ADDRESS = re.compile(r"(?:\[(?P<ipv6>[^\[\]]+)\]|(?P<host>[^:\[\]]+)):(?P<port>[0-9]{1,5})")


def _split(value: object) -> object:
    return [part for part in map(str.strip, value.split(",")) if part] if isinstance(value, str) else value


def _resolve(value: object) -> object:
    return parse_resolve(value) if isinstance(value, str) else value


def _cluster_id(value: str) -> str:
    try:
        return check_id(Kind.CLUSTER, "local_clusters", value)
    except InvalidArgument as error:
        raise ValueError(error.violations[0].description) from None


_Listed = Annotated[tuple[T, ...], NoDecode, BeforeValidator(_split)]


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

    local_clusters: _Listed[Annotated[str, AfterValidator(_cluster_id)]] = ()
    """Ids of clusters with a local Envoy and an agent."""

    directory_root: Path | None = None
    """Folder below which clusters of the kind `directory` may live; without it there are none."""

    resolve: _Listed[Annotated[Resolve, BeforeValidator(_resolve)]] = ()
    """What stands in for DNS in local clusters."""

    credentials_key_file: Path | None = None
    """File with the key that credentials of clusters are sealed with; all processes of an installation need the same
    one. Where not set, it is credentials.key in data_dir, made when it is first needed."""

    log_level: Annotated[str, Field(pattern="^(debug|info|warning|error)$")] = "info"
    """Least level of log lines; they go to standard error as JSON."""

    trace_ratio: Annotated[float, Field(ge=0, le=1)] = 0.1
    """Share of calls that are traced, where the caller has not decided already."""

    otlp_endpoint: str = ""
    """OTLP/HTTP endpoint for traces; where empty, none are exported."""

    cors_origins: _Listed[str] = ()
    """Origins of web pages that may call the REST API."""

    drain_seconds: Annotated[float, Field(ge=0, le=300)] = 10.0
    """How long calls that are under way may take after a stop signal."""

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
    found = _ADDRESS.fullmatch(address)
    if found is None or int(found["port"]) > 65535:
        raise ValueError(f"{address!r} must be HOST:PORT, with an IPv6 HOST in brackets")
    return found["ipv6"] or found["host"], int(found["port"])


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
