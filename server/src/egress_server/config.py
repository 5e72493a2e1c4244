"""The settings tree: every knob with its unit, default and reason, checked before anything starts.

Each can be given by flag, or by an environment variable with the prefix EGRESSD_ (EGRESSD_DATA_DIR and so on; lists
with commas between); for the agent the prefix is EGRESSD_AGENT_.
"""

import re
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from egress_server.domain.model.errors import InvalidArgument
from egress_server.domain.model.host_overrides import HostOverride, parse_host_override
from egress_server.domain.model.names import check_label

T = TypeVar("T")
_ADDRESS = re.compile(r"(?:\[(?P<ipv6>[^\[\]]+)\]|(?P<host>[^:\[\]]+)):(?P<port>[0-9]{1,5})")


def _split(value: object) -> object:
    return [part for part in map(str.strip, value.split(",")) if part] if isinstance(value, str) else value


def _resolve(value: object) -> object:
    return parse_host_override(value) if isinstance(value, str) else value


def _rfc1123(what: str, *, may_be_empty: bool = False) -> AfterValidator:
    """Checks a name as the API does."""

    def check(value: str) -> str:
        try:
            return value if may_be_empty and not value else check_label(what, value, what)
        except InvalidArgument as error:
            raise ValueError(error.violations[0].description) from None

    return AfterValidator(check)


def _label(value: object) -> object:
    if not isinstance(value, str):
        return value
    key, found, label = value.partition("=")
    if not (found and key):
        raise ValueError(f"{value!r} must be KEY=VALUE")
    return key, label


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


def _loopback_or_socket(address: str) -> str:
    return address if address.startswith("unix:") and len(address) > len("unix:") else _loopback(address)


_Listed = Annotated[tuple[T, ...], NoDecode, BeforeValidator(_split)]
_Id = Annotated[str, _rfc1123("id")]
_Loopback = Annotated[str, AfterValidator(_loopback)]
_RedisUrl = Annotated[str, Field(min_length=1)]
_LogLevel = Annotated[str, Field(pattern="^(debug|info|warning|error)$")]


class ProcessSettings(BaseSettings):
    """What every process of the server can be told."""

    model_config = SettingsConfigDict(env_prefix="EGRESSD_", frozen=True)

    log_level: _LogLevel = "info"
    """Least level of log lines; they go to standard error as JSON."""

    trace_ratio: Annotated[float, Field(ge=0, le=1)] = 0.1
    """Share of calls that are traced, where the caller has not decided already."""

    otlp_endpoint: str = ""
    """OTLP/HTTP endpoint for traces; where empty, none are exported."""

    data_dir: Path = Path(".egress")
    """Where state is kept; made with mode 0700. What an applier remembers there of its clusters lets it end faults
    although it was started while its store is away."""

    credentials_key_file: Path | None = None
    """File with the key that credentials of clusters are sealed with; all processes of an installation need the same
    one. Where not set, it is credentials.key in data_dir, made when it is first needed."""


class ApiSettings(ProcessSettings):
    """Where the API is served, and how it ends."""

    grpc_address: Annotated[str, AfterValidator(_loopback_or_socket)] = "127.0.0.1:9090"
    """HOST:PORT or unix:PATH. Loopback only, as there is no authentication yet. Port 0 takes a free one."""

    http_address: _Loopback = "127.0.0.1:8080"
    """HOST:PORT. Loopback only, as there is no authentication yet. Port 0 takes a free one."""

    cors_origins: _Listed[str] = ()
    """Origins of web pages that may call the REST API."""

    drain_seconds: Annotated[float, Field(ge=0, le=300)] = 10.0
    """How long calls that are under way may take after a stop signal."""


class ApplierSettings(ProcessSettings):
    """What an applier needs."""

    directory_root: Path | None = None
    """Folder below which clusters of the kind `directory` may live; without it there are none."""


class RunSettings(ApiSettings, ApplierSettings):
    """What `egressd run` can be told. An embedded store and local clusters live below data_dir, too."""

    redis_url: str = ""
    """An external Redis; where empty, an embedded redis-server is started below data_dir."""

    local_clusters: _Listed[_Id] = ()
    """Ids of clusters with a local Envoy and an agent."""

    resolve: _Listed[Annotated[HostOverride, BeforeValidator(_resolve)]] = ()
    """What stands in for DNS in local clusters."""


class ServeSettings(ApiSettings):
    """What `egressd serve` can be told."""

    redis_url: _RedisUrl
    """The Redis that all processes share."""


class ApplySettings(ApplierSettings):
    """What `egressd apply` can be told."""

    redis_url: _RedisUrl
    """The Redis that all processes share."""

    metrics_address: _Loopback = "127.0.0.1:8081"
    """HOST:PORT of health, readiness and metrics. Loopback only, as there is no authentication yet. Port 0 takes a free
    one."""

    clusters: _Listed[_Id] = ()
    """Ids of the clusters to drive; where empty, all that this process can reach."""

    in_cluster: bool = False
    """Whether the one cluster of `clusters` is that of this process's own pod, whatever its registration says."""

    kubeconfig: Path | None = None
    """Kubeconfig by which the one cluster of `clusters` is reached, whatever its registration says."""

    context: str = ""
    """Which context of `kubeconfig`; its current one where empty."""

    @field_validator("in_cluster", "kubeconfig")
    @classmethod
    def _check_way(cls, value: object, info: ValidationInfo) -> object:
        if value and len(info.data.get("clusters", ())) != 1:
            raise ValueError("is the way to one cluster: name it by --cluster, and no other")
        if value and info.data.get("in_cluster"):
            raise ValueError("can't be given together with --in-cluster")
        return value

    @field_validator("context")
    @classmethod
    def _check_context(cls, value: str, info: ValidationInfo) -> str:
        if value and not info.data.get("kubeconfig"):
            raise ValueError("is a context of --kubeconfig, which is not given")
        return value


class AgentSettings(BaseSettings):
    """What `egressd agent` can be told."""

    model_config = SettingsConfigDict(env_prefix="EGRESSD_AGENT_", frozen=True, populate_by_name=True)

    server: str
    """HOST:PORT or unix:PATH of the server's gRPC."""

    cluster: _Id
    """Id of the cluster that holds the configuration of the workload."""

    mesh: _Id = "default"
    """Id of the cluster's mesh."""

    namespace: Annotated[str, _rfc1123("namespace", may_be_empty=True)] = ""
    """The workload's namespace; where empty, what the sidecar says."""

    labels: _Listed[Annotated[tuple[str, str], BeforeValidator(_label)]] = ()
    """The workload's labels, as KEY=VALUE; where there are none, what the sidecar says."""

    name: str = ""
    """What the agent is called; where empty, the pod's name as the sidecar says it, else the host's."""

    workload_cluster: str = ""
    """The data-plane cluster the workload runs in; where empty, what the sidecar says."""

    envoy_admin: str = "127.0.0.1:15000"
    """HOST:PORT of the sidecar's admin interface."""

    capture_port: Annotated[int, Field(ge=1, le=65535)] = 15001
    """Where iptables send outbound connections: the mesh's proxyListenPort."""

    kubernetes_service_host: Annotated[str, Field(validation_alias="KUBERNETES_SERVICE_HOST")] = ""
    """The API server as every pod is told, which no probe may reach. No flag: it is the cluster's word."""

    log_level: _LogLevel = "info"
    """Least level of log lines; they go to standard error as JSON."""

    @field_validator("server")
    @classmethod
    def _check_server(cls, value: str) -> str:
        if not (value.startswith("unix:") and len(value) > len("unix:")):
            split_address(value)
        return value

    @field_validator("envoy_admin")
    @classmethod
    def _check_admin(cls, value: str) -> str:
        split_address(value)
        return value
