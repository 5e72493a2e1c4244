"""The effective registry as one namespace of one cluster sees it, page by page."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from egress_server.commands.probe import find_cluster
from egress_server.commands.services import Caller, Services
from egress_server.commands.sight import look_at
from egress_server.domain.listing import Listing, page_of
from egress_server.domain.names import Name
from egress_server.domain.registry import Item, registry


@dataclass(frozen=True, slots=True)
class ListRegistry:
    """One page of what workloads of `namespace` on `cluster` see."""

    cluster: Name
    namespace: str
    listing: Listing

    @property
    def mesh(self) -> str:
        """The mesh it is about."""
        return self.cluster.mesh


@dataclass(frozen=True, slots=True)
class RegistryPage:
    """One page, as of `revision`; `managers` is who wrote what is not ours, by the object's name."""

    items: tuple[Item, ...]
    next_page_token: str
    revision: int
    managers: Mapping[str, str] = field(default_factory=dict)


async def list_registry(services: Services, caller: Caller, query: ListRegistry) -> RegistryPage:
    """One page in the order of hosts, then ports; raises NotFound CLUSTER_NOT_FOUND, InvalidArgument for a bad token or
    filter."""
    replica = services.replica(query.cluster.mesh)
    cluster = find_cluster(replica, query.cluster)
    wanted, _ = look_at(replica, cluster, services.clock())
    items = {_key(item): item for item in registry(wanted, query.namespace)}
    page = page_of(sorted(items), query.listing, lambda key: _fields(items[key]))
    found = tuple(items[key] for key in page.keys)
    return RegistryPage(found, page.next_page_token, wanted.revision, wanted.beside.managers)


def _key(item: Item) -> str:
    """Sorts by host, port and owner; a space sorts before every character of a host."""
    return f"{item.host} {item.port.number:05} {item.entry.name}"


def _fields(item: Item) -> dict[str, str | int]:
    """What a filter may ask for."""
    return {
        "host": item.host,
        "port": item.port.number,
        "owner": item.entry.name,
        "owner_kind": item.owner_kind.value,
        "visible": "true" if item.visible else "false",
    }
