"""Gets and lists resources from the snapshot, without a call to the store."""

import sys
from bisect import bisect_left
from dataclasses import dataclass
from typing import Any

from egress_server.commands.services import Caller, Services
from egress_server.domain.model.changes import Versioned
from egress_server.domain.model.errors import NotFound
from egress_server.domain.model.names import Name, ResourceKind
from egress_server.domain.model.paging import ListQuery, Page, page_of


@dataclass(frozen=True, slots=True)
class Get:
    """One resource by name."""

    name: Name

    @property
    def mesh(self) -> str:
        """ID of the mesh."""
        return self.name.mesh


@dataclass(frozen=True, slots=True)
class ListOf:
    """Resources of a kind. `namespace` is None for all namespaces, and for kinds without one."""

    mesh: str
    kind: ResourceKind
    namespace: str | None
    listing: ListQuery


@dataclass(frozen=True, slots=True)
class ReadResult:
    """Resources of the requested kind, with the epoch that their etags belong to."""

    epoch: str
    resources: tuple[Versioned[Any], ...]
    next_page_token: str = ""


async def get(services: Services, caller: Caller, query: Get) -> ReadResult:
    """The resource. Raises NotFound."""
    snapshot = services.replica(query.name.mesh).snapshot
    versioned = snapshot.get(str(query.name))
    if versioned is None:
        raise NotFound(
            f"{query.name} does not exist", reason="RESOURCE_NOT_FOUND", metadata={"resource": str(query.name)}
        )
    return ReadResult(snapshot.epoch, (versioned,))


async def list_resources(services: Services, caller: Caller, query: ListOf) -> ReadResult:
    """One page, ordered by name. Raises InvalidArgument for a bad token or filter."""
    snapshot = services.replica(query.mesh).snapshot
    by_name = snapshot.of_kind(query.kind)
    names = snapshot.names(query.kind)
    if query.namespace is not None:
        below = f"meshes/{query.mesh}/namespaces/{query.namespace}/"
        names = names[bisect_left(names, below) : bisect_left(names, below + chr(sys.maxunicode))]
    page: Page = page_of(names, query.listing, lambda name: by_name[name].resource)
    return ReadResult(snapshot.epoch, tuple(by_name[name] for name in page.keys), page.next_page_token)
