"""The configuration of one sidecar, as far as it decides about outbound connections.

Resources are mappings in proto3 JSON with the field names of the protos, as Envoy's `/config_dump` and protobuf's
`MessageToDict(preserving_proto_field_name=True)` write them.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SidecarConfig:
    """Active resources: routes, clusters and endpoints (ClusterLoadAssignments) by name. `warming` are the clusters
    whose last version is not active yet, and most have no other.

    `rejected` says why Envoy rejected the last update of a resource, one text each. `versions` are by the resource's
    type, such as `listeners`; `updated` is when the newest resource was updated, in RFC 3339, empty if unknown.
    """

    listeners: tuple[Json, ...] = ()
    routes: Mapping[str, Json] = field(default_factory=dict)
    clusters: Mapping[str, Json] = field(default_factory=dict)
    endpoints: Mapping[str, Json] = field(default_factory=dict)
    warming: Mapping[str, Json] = field(default_factory=dict)
    rejected: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    updated: str = ""

    def merge(self, other: "SidecarConfig") -> "SidecarConfig":
        """This configuration and another part of it."""
        return SidecarConfig(
            listeners=(*self.listeners, *other.listeners),
            routes={**self.routes, **other.routes},
            clusters={**self.clusters, **other.clusters},
            endpoints={**self.endpoints, **other.endpoints},
            warming={**self.warming, **other.warming},
            rejected=tuple(dict.fromkeys((*self.rejected, *other.rejected))),
            versions={**self.versions, **other.versions},
            updated=max(self.updated, other.updated),
        )


def sidecar_config(
    listeners: Iterable[Json], routes: Iterable[Json], clusters: Iterable[Json], endpoints: Iterable[Json]
) -> SidecarConfig:
    """The configuration that consists of these resources, all active."""
    return SidecarConfig(
        tuple(listeners),
        {str(route.get("name", "")): route for route in routes},
        {str(cluster["name"]): cluster for cluster in clusters},
        {str(assignment["cluster_name"]): assignment for assignment in endpoints},
    )


def source_of(resource: Json, kind: str) -> str:
    """NAMESPACE/NAME of the Istio object of a kind, such as `virtual-service`, that istiod made (a part of) a resource
    of; empty if it does not say."""
    config = resource.get("metadata", {}).get("filter_metadata", {}).get("istio", {}).get("config", "")
    match str(config).split("/"):
        case [*_, "namespaces", namespace, found, name] if found == kind:
            return f"{namespace}/{name}"
    return ""


def parse_config_dump(dump: Json) -> SidecarConfig:
    """The configuration in a `/config_dump`, the whole page or one with `resource=`.

    Raises ValueError if it is not such a page.
    """
    try:
        config = SidecarConfig()
        for item in _items(dump.get("configs", ())):
            config = config.merge(_parse_item(item))
        return replace(config, versions=dict(_versions(dump.get("configs", ()))))
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"not a configuration dump: {error!r}") from error


_LISTS = (
    *("static_listeners", "dynamic_listeners", "static_route_configs", "dynamic_route_configs", "static_clusters"),
    *("dynamic_active_clusters", "dynamic_warming_clusters", "static_endpoint_configs", "dynamic_endpoint_configs"),
)


def _items(configs: Iterable[Json]) -> Iterator[Json]:
    """The resources of a whole dump, which has them in one section by type, or of a page with `resource=`."""
    for config in configs:
        sections = [name for name in _LISTS if name in config]
        for name in sections:
            for item in config[name]:
                # In a section, only the name of the list says that a cluster is warming.
                yield {**item, "client_status": "WARMING"} if name == "dynamic_warming_clusters" else item
        if not sections:
            yield config


def _parse_item(item: Json) -> SidecarConfig:
    if failed := item.get("error_state"):
        resource = failed.get("failed_configuration", {}).get("name") or item.get("name", "a resource")
        rejected: tuple[str, ...] = (f"{resource}: {failed.get('details', '')}",)
    else:
        rejected = ()
    updated = str(item.get("last_updated", ""))
    common = SidecarConfig(rejected=rejected, updated=updated)
    if "active_state" in item:
        state = item["active_state"]
        return replace(common, listeners=(state["listener"],), updated=str(state.get("last_updated", "")))
    if "listener" in item:
        return replace(common, listeners=(item["listener"],))
    if "route_config" in item:
        route = item["route_config"]
        return replace(common, routes={str(route.get("name", "")): route})
    if "endpoint_config" in item:
        assignment = item["endpoint_config"]
        return replace(common, endpoints={str(assignment.get("cluster_name", "")): assignment})
    if "cluster" in item:
        cluster = item["cluster"]
        named = {str(cluster["name"]): cluster}
        if item.get("client_status") == "WARMING" or str(item.get("@type", "")).endswith("WarmingCluster"):
            return replace(common, warming=named)
        return replace(common, clusters=named)
    return common


def _versions(configs: Iterable[Json]) -> Iterator[tuple[str, str]]:
    for config in configs:
        kind = str(config.get("@type", "")).rpartition(".")[2].removesuffix("ConfigDump").lower()
        if version := config.get("version_info"):
            yield kind, str(version)
