"""Objects that say which world istiod has read: one of each kind, written after all others of its kind.

They are exported to their own namespace only, which also has a Sidecar of its own, so no other workload sees them.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.mesh.harness.xds.client import Configuration, Identity
from tests.truth.cluster.etcd import Object

NAMESPACE = "markers"
IDENTITY = Identity(NAMESPACE, "marker")
_HOST = "fixed.markers.truth"
_ISTIO = "networking.istio.io/v1"
_BORN = "2026-01-01T00:00:00Z"
_OWN = {"networking.istio.io/exportTo": "."}
_TIMEOUT = "connectTimeout"


def fixed_objects() -> list[Object]:
    """What the markers refer to."""
    return [
        {
            "apiVersion": _ISTIO,
            "kind": "ServiceEntry",
            "metadata": {"name": "fixed", "namespace": NAMESPACE},
            "spec": {
                "hosts": [_HOST],
                "exportTo": ["."],
                "resolution": "STATIC",
                "ports": [{"number": 7777, "name": "http", "protocol": "HTTP"}],
                "endpoints": [{"address": "203.0.113.250"}],
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "fixed", "namespace": NAMESPACE, "annotations": _OWN},
            "spec": {"ports": [{"name": "tcp", "port": 7778}]},
        },
    ]


@dataclass(frozen=True, slots=True)
class Marker:
    """The markers of the world `number`."""

    number: int

    @property
    def objects(self) -> list[Object]:
        """One object of each kind."""
        return [
            self._istio(
                "ServiceEntry",
                hosts=[f"w{self.number}.markers.truth"],
                ports=[{"number": 7779, "name": "tls", "protocol": "TLS"}],
            ),
            self._istio(
                "VirtualService",
                hosts=[_HOST],
                http=[{"name": f"w{self.number}", "route": [{"destination": {"host": _HOST}}]}],
            ),
            self._istio("DestinationRule", host=_HOST, subsets=[{"name": f"w{self.number}", "labels": {"a": "b"}}]),
            self._istio(
                "Sidecar",
                ingress=[
                    {
                        "port": {"number": self._port, "name": "tcp", "protocol": "TCP"},
                        "defaultEndpoint": "127.0.0.1:9",
                    }
                ],
                egress=[{"hosts": ["./*"]}],
            ),
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": self._meta("world") | {"annotations": _OWN},
                "spec": {
                    "clusterIP": "None",
                    "clusterIPs": ["None"],
                    "type": "ClusterIP",
                    "ipFamilies": ["IPv4"],
                    "ipFamilyPolicy": "SingleStack",
                    "sessionAffinity": "None",
                    "internalTrafficPolicy": "Cluster",
                    "ports": [{"name": "tcp", "port": self._port, "protocol": "TCP", "targetPort": self._port}],
                },
            },
            {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": self._meta("world") | {"labels": {"kubernetes.io/service-name": "fixed"}},
                "addressType": "IPv4",
                "ports": [{"name": "tcp", "port": 7778, "protocol": "TCP"}],
                "endpoints": [{"addresses": [self._address], "conditions": {"ready": True}}],
            },
        ]

    def in_mesh_config(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """MeshConfig with its marker."""
        return {**settings, _TIMEOUT: self._timeout}

    def in_services(self, ports: Mapping[str, int]) -> bool:
        """Whether the ports of Services, by namespace/name, are those of this world."""
        return ports.get(f"{NAMESPACE}/world") == self._port

    def missing(self, seen: Configuration) -> list[str]:
        """The kinds whose marker istiod has not sent to `IDENTITY` yet."""
        clusters = {each["name"]: each for each in seen.clusters}
        fixed = clusters.get(f"outbound|7777||{_HOST}", {})
        signs = {
            "ServiceEntry": f"outbound|7779||w{self.number}.markers.truth" in clusters,
            "DestinationRule": f"outbound|7777|w{self.number}|{_HOST}" in clusters,
            "Sidecar": f"inbound|{self._port}||" in clusters,
            "Service": f"outbound|{self._port}||world.{NAMESPACE}.svc.cluster.local" in clusters,
            "MeshConfig": fixed.get("connect_timeout") == self._timeout,
            "VirtualService": f'"name": "w{self.number}"' in json.dumps(seen.routes),
            "EndpointSlice": self._address in json.dumps(seen.endpoints),
        }
        return [kind for kind, present in signs.items() if not present]

    @property
    def _port(self) -> int:
        return 20_000 + self.number % 10_000

    @property
    def _address(self) -> str:
        return f"10.66.{self.number // 250 % 250}.{self.number % 250 + 1}"

    @property
    def _timeout(self) -> str:
        return f"{10 + self.number % 1000}s"

    def _istio(self, kind: str, **spec: Any) -> Object:
        exported = {} if kind == "Sidecar" else {"exportTo": ["."]}
        meta = self._meta("world")
        return {"apiVersion": _ISTIO, "kind": kind, "metadata": meta, "spec": spec | exported}

    def _meta(self, name: str) -> Object:
        uid = f"00000000-0000-4000-8000-{self.number:012d}"
        return {"name": name, "namespace": NAMESPACE, "uid": uid, "creationTimestamp": _BORN}
