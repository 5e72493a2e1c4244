"""Compiles Istio objects to the xDS files that Envoy reads, as istiod does for one sidecar.

Pure and byte-stable: the same objects give the same bytes, so an unchanged file is not an update.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from egress_server.config.host_overrides import HostOverride
from egress_server.targets.local.xds.clusters import clusters
from egress_server.targets.local.xds.listeners import listeners
from egress_server.targets.local.xds.registry import read_registry
from egress_server.targets.local.xds.routes import route_configurations
from egress_server.targets.local.xds.scoping import LocalWorkload, Manifest, namespace_of
from egress_server.targets.local.xds.unsupported import unsupported

Json = dict[str, Any]

SOCKET = "egress.sock"
"""Where Envoy accepts connections. Paths are relative to its working directory: the path of a socket has at most 107
bytes, and a data directory's may be longer."""
XDS_FOLDER = "xds"


@dataclass(frozen=True, slots=True)
class XdsFile:
    """One file of resources of one type. `version` is a digest of the resources."""

    resources: tuple[Json, ...]
    version: str
    content: bytes


@dataclass(frozen=True, slots=True)
class XdsFiles:
    """All files. `routes` is by the name of the route configuration, which is its port."""

    clusters: XdsFile
    listeners: XdsFile
    routes: Mapping[str, XdsFile]

    def by_name(self) -> dict[str, XdsFile]:
        """Files by name, relative to the xDS folder."""
        routes = {routes_file(name): file for name, file in self.routes.items()}
        return {CLUSTERS_FILE: self.clusters, LISTENERS_FILE: self.listeners, **routes}


CLUSTERS_FILE = "cds.json"
LISTENERS_FILE = "lds.json"


def routes_file(name: str) -> str:
    """The file of a route configuration: Envoy reads one from each file."""
    return f"rds-{name}.json"


def xds_file(resources: Sequence[Json]) -> XdsFile:
    """The file of these resources, in their order."""
    version = hashlib.sha256(_encode(list(resources))).hexdigest()[:16]
    content = _encode({"version_info": version, "resources": list(resources)})
    return XdsFile(tuple(resources), version, content)


def compile_xds(
    objects: Sequence[Manifest], *, workload: LocalWorkload, resolve: Sequence[HostOverride], trust: str | None
) -> XdsFiles:
    """Compiles the objects, given oldest first, for the sidecar of `workload`. `resolve` overrides DNS; `trust` is the
    path of the CA certificates that TLS to services is verified with.

    Raises ValueError if an object is not supported; the message names it and has the reason.
    """
    for manifest in objects:
        if (reason := unsupported(manifest, trust)) is not None:
            name = manifest["metadata"]["name"]
            raise ValueError(f"{manifest['kind']} {namespace_of(manifest)}/{name}: {reason}")
    registry = read_registry(objects, workload, resolve)
    routes = route_configurations(registry)
    return XdsFiles(
        clusters=xds_file(clusters(registry, resolve, trust)),
        listeners=xds_file(
            listeners(
                registry,
                socket=SOCKET,
                routes_path=lambda name: f"{XDS_FOLDER}/{routes_file(name)}",
            )
        ),
        routes={name: xds_file([configuration]) for name, configuration in routes.items()},
    )


def _encode(value: object) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
