"""The settings of each process. A field is the one place for an option: its name, type, default, help and environment
variable (EGRESSD_ and the field's name, for the agent EGRESSD_AGENT_).
"""

from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from egress_server.config.values import (
    Address,
    AddressOrSocket,
    Folder,
    Id,
    Label,
    Listed,
    LogLevel,
    Loopback,
    LoopbackOrSocket,
    Namespace,
    Option,
    OptionalFile,
    OptionalFolder,
    RedisUrl,
    Resolve,
    Switch,
    number,
)


class ProcessSettings(BaseSettings):
    """Of every process of the server."""

    model_config = SettingsConfigDict(env_prefix="EGRESSD_", frozen=True, use_attribute_docstrings=True)

    data_dir: Folder = Path(".egress")
    """Directory for state: the embedded store, local clusters, the credentials key, and the clusters that an applier
    knows. Created with mode 0700."""

    credentials_key_file: OptionalFile = None
    """Key to seal credentials of clusters with, the same for all processes of an installation. Without it,
    credentials.key in the data directory is used, and created when it is first needed."""

    log_level: LogLevel = "info"
    """Minimum level of log messages, which go to standard error as JSON."""

    trace_ratio: Annotated[float, number(float, 0, 1), Option("RATIO")] = 0.1
    """Share of calls to trace, from 0 to 1, unless the caller has decided."""

    otlp_endpoint: Annotated[str, Option("URL")] = ""
    """OTLP/HTTP endpoint to export traces to. Without it none are exported."""


class ApiSettings(ProcessSettings):
    """Where the API is served, and how it stops."""

    grpc_address: LoopbackOrSocket = "127.0.0.1:9090"
    """Address of the gRPC API: loopback or a unix socket, since there is no authentication yet. Port 0 takes a free
    one."""

    http_address: LoopbackOrSocket = "127.0.0.1:8080"
    """Address of the REST API, health and metrics: loopback or a unix socket, since there is no authentication yet.
    Port 0 takes a free one."""

    cors_origins: Annotated[Listed[str], Option("ORIGIN", "--cors-origin")] = ()
    """Origin of web pages that may call the REST API."""

    drain_seconds: Annotated[float, number(float, 0, 300), Option("SECONDS")] = 10.0
    """Grace period for calls in progress on shutdown, up to 300."""


class ApplierSettings(ProcessSettings):
    """Of a process that reconciles clusters."""

    directory_root: OptionalFolder = None
    """Directory that holds the directory clusters. Without it they are disabled."""


class RunSettings(ApiSettings, ApplierSettings):
    """Of `egressd run`."""

    redis_url: Annotated[str, Option("URL")] = ""
    """External Redis to use. Without it an embedded redis-server is started in the data directory."""

    local_clusters: Annotated[Listed[Id], Option("ID", "--local-cluster")] = ()
    """Local cluster to run: an Envoy and its agent."""

    resolve: Annotated[Listed[Resolve], Option("HOST:PORT:ADDRESS[:PORT2]")] = ()
    """Connect to ADDRESS (and PORT2) for HOST:PORT in local clusters, instead of asking DNS."""


class ServeSettings(ApiSettings):
    """Of `egressd serve`."""

    redis_url: RedisUrl
    """The Redis that all processes share."""


class ApplySettings(ApplierSettings):
    """Of `egressd apply`."""

    redis_url: RedisUrl
    """The Redis that all processes share."""

    clusters: Annotated[Listed[Id], Option("ID", "--cluster")] = ()
    """Reconcile only this cluster. Without it, all clusters that this process can reach."""

    in_cluster: Annotated[Switch, Option()] = False
    """The cluster named by --cluster is that of this pod: use its service account, whatever is registered."""

    kubeconfig: OptionalFile = None
    """Kubeconfig for the cluster named by --cluster, whatever is registered."""

    context: Annotated[str, Option("NAME")] = ""
    """Context of --kubeconfig. Without it, its current context."""

    metrics_address: Loopback = "127.0.0.1:8081"
    """Address of health and metrics: loopback, since there is no authentication yet. Port 0 takes a free one."""

    @field_validator("in_cluster", "kubeconfig")
    @classmethod
    def _check_access(cls, value: object, info: ValidationInfo) -> object:
        if value and len(info.data.get("clusters", ())) != 1:
            raise ValueError("requires --cluster, exactly once")
        if value and info.data.get("in_cluster"):
            raise ValueError("can't be combined with --in-cluster")
        return value

    @field_validator("context")
    @classmethod
    def _check_context(cls, value: str, info: ValidationInfo) -> str:
        if value and not info.data.get("kubeconfig"):
            raise ValueError("requires --kubeconfig")
        return value


class AgentSettings(BaseSettings):
    """Of `egressd agent`."""

    model_config = SettingsConfigDict(
        env_prefix="EGRESSD_AGENT_", frozen=True, populate_by_name=True, use_attribute_docstrings=True
    )

    server: AddressOrSocket
    """Address of the server's gRPC API."""

    cluster: Annotated[Id, Option("ID")]
    """Cluster that holds the configuration of the workload."""

    mesh: Annotated[Id, Option("ID")] = "default"
    """Mesh of the cluster."""

    namespace: Annotated[Namespace, Option("NAME")] = ""
    """Namespace of the workload. Without it, what the sidecar reports."""

    labels: Annotated[Listed[Label], Option("KEY=VALUE")] = ()
    """Label of the workload. Without any, what the sidecar reports."""

    name: Annotated[str, Option("NAME")] = ""
    """Name of the agent. Without it, the pod's name as the sidecar reports it, else the host's."""

    workload_cluster: Annotated[str, Option("ID")] = ""
    """Data-plane cluster that the workload runs in. Without it, what the sidecar reports."""

    envoy_admin: Address = "127.0.0.1:15000"
    """Address of the sidecar's admin interface."""

    capture_port: Annotated[int, number(int, 1, 65535), Option("PORT")] = 15001
    """Port that iptables redirects outbound connections to: the mesh's proxyListenPort."""

    log_level: LogLevel = "info"
    """Minimum level of log messages, which go to standard error as JSON."""

    kubernetes_service_host: Annotated[str, Field(validation_alias="KUBERNETES_SERVICE_HOST")] = ""
    """The API server as Kubernetes tells every pod; no probe may reach it. Not an option: it is the cluster's word."""
