"""A client of istiod that presents itself as any workload's sidecar, and gets the configuration of that workload."""

import queue
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import grpc

from tests.mesh.harness.cluster.binaries import ISTIO_VERSION, Report
from tests.mesh.harness.xds.bindings import Bindings

_METHOD = "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources"
_TYPE = "type.googleapis.com/envoy.config."
_CLUSTERS, _LISTENERS = f"{_TYPE}cluster.v3.Cluster", f"{_TYPE}listener.v3.Listener"
_ROUTES, _ENDPOINTS = f"{_TYPE}route.v3.RouteConfiguration", f"{_TYPE}endpoint.v3.ClusterLoadAssignment"
_ANSWER_SECONDS = 30.0
_MAX_BYTES = 256 << 20
Resource = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Identity:
    """A workload as its sidecar describes it to istiod. `dns_capture`: its sidecar answers DNS queries."""

    namespace: str
    name: str = "truth"
    labels: Mapping[str, str] = field(default_factory=dict)
    addresses: tuple[str, ...] = ("10.99.0.1",)
    dns_capture: bool = False
    interception_mode: str = "REDIRECT"
    network: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def node(self, cluster: str) -> Mapping[str, Any]:
        """Envoy's Node as the bootstrap of a pod has it."""
        optional = {"DNS_CAPTURE": "true" if self.dns_capture else "", "NETWORK": self.network}
        return {
            "id": f"sidecar~{self.addresses[0]}~{self.name}.{self.namespace}~{self.namespace}.svc.cluster.local",
            "cluster": f"{self.name}.{self.namespace}",
            "metadata": {
                "ISTIO_VERSION": ISTIO_VERSION,
                "CLUSTER_ID": cluster,
                "NAMESPACE": self.namespace,
                "NAME": self.name,
                "LABELS": dict(self.labels),
                "INTERCEPTION_MODE": self.interception_mode,
                "INSTANCE_IPS": ",".join(self.addresses),
                **{key: value for key, value in optional.items() if value},
                **self.metadata,
            },
        }


@dataclass(frozen=True, slots=True)
class Configuration:
    """What istiod sends to one sidecar, as proto3 JSON with the fields' own names and with every Any resolved."""

    clusters: tuple[Resource, ...]
    listeners: tuple[Resource, ...]
    routes: tuple[Resource, ...]
    endpoints: tuple[Resource, ...]


class AdsClient:
    """Connects to istiod's plaintext gRPC port at `address`, as sidecars of the Kubernetes cluster `cluster`."""

    def __init__(self, address: str, cluster: str, report: Report) -> None:
        self._bindings = Bindings(report)
        options = [("grpc.max_receive_message_length", _MAX_BYTES), ("grpc.enable_http_proxy", 0)]
        self._channel = grpc.insecure_channel(address, options)
        self._cluster = cluster

    def __enter__(self) -> Self:
        """It is open already."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection."""
        self._channel.close()

    def configuration(self, identity: Identity) -> Configuration:
        """The full configuration of a workload now. Raises grpc.RpcError."""
        with _Stream(self._channel, self._bindings, identity.node(self._cluster)) as stream:
            clusters = stream.ask(_CLUSTERS)
            by_eds = [(c.get("eds_cluster_config") or {}).get("service_name") or c["name"] for c in _by_eds(clusters)]
            listeners = stream.ask(_LISTENERS)
            endpoints = stream.ask(_ENDPOINTS, by_eds) if by_eds else []
            names = sorted(set(_route_names(listeners)))
            routes = stream.ask(_ROUTES, names) if names else []
        return Configuration(tuple(clusters), tuple(listeners), tuple(routes), tuple(endpoints))


class _Stream:
    """One stream of state of the world, which acknowledges everything."""

    def __init__(self, channel: grpc.Channel, bindings: Bindings, node: Mapping[str, Any]) -> None:
        self._bindings = bindings
        self._node: Mapping[str, Any] | None = node
        self._requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._names: dict[str, list[str]] = {}
        call = channel.stream_stream(
            _METHOD,
            request_serializer=bindings.discovery.DiscoveryRequest.SerializeToString,
            response_deserializer=bindings.discovery.DiscoveryResponse.FromString,
        )
        self._responses = call(iter(self._requests.get, None), timeout=_ANSWER_SECONDS)

    def __enter__(self) -> Self:
        """It is open already."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the stream."""
        self._requests.put(None)
        self._responses.cancel()

    def ask(self, type_url: str, names: list[str] | None = None) -> list[Resource]:
        """The resources of a type: those of these names, or all."""
        self._names[type_url] = names or []
        self._send(type_url)
        return self.next(type_url)

    def next(self, type_url: str) -> list[Resource]:
        """The next resources of this type that istiod sends; others are acknowledged and dropped."""
        for response in self._responses:
            self._send(response.type_url, response.version_info, response.nonce)
            if response.type_url == type_url:
                return [self._bindings.as_dict(resource) for resource in response.resources]
        raise EOFError(f"istiod ended the stream before it sent {type_url}")

    def _send(self, type_url: str, version: str = "", nonce: str = "") -> None:
        request = self._bindings.discovery.DiscoveryRequest(
            type_url=type_url,
            version_info=version,
            response_nonce=nonce,
            resource_names=self._names.get(type_url, []),
            node=self._node,
        )
        self._node = None
        self._requests.put(request)


def _by_eds(clusters: list[Resource]) -> Iterator[Resource]:
    return (cluster for cluster in clusters if cluster.get("type") == "EDS")


def _route_names(content: Any) -> Iterator[str]:
    """The names of the route configurations that listeners refer to."""
    if isinstance(content, dict):
        if name := (content.get("rds") or {}).get("route_config_name"):
            yield name
        for value in content.values():
            yield from _route_names(value)
    elif isinstance(content, list):
        for value in content:
            yield from _route_names(value)
