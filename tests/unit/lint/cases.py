"""A row of the grid: what exists, what is set or deleted, and all findings on it."""

from collections.abc import Sequence
from dataclasses import dataclass

from egress_server.domain.desired.snapshot import buckets_of
from egress_server.domain.lint.engine import LintResult, lint, lint_delete
from egress_server.domain.model.clusters import Cluster
from egress_server.domain.model.resources import Resource, Selected
from egress_server.domain.observed.inventory import Inventory
from egress_server.domain.observed.inventory_index import Inventories
from tests.support.meshes import History, cluster


@dataclass(frozen=True, slots=True)
class Case:
    """`finds` holds `CODE field` of all findings in order; it is empty if the input is fine. The clusters that `new`
    selects are registered last, if there are none, unless `only_there`."""

    text: str
    there: tuple[Resource, ...]
    new: Resource
    finds: tuple[str, ...] = ()
    deletes: bool = False
    inventories: tuple[Inventory, ...] = ()
    only_there: bool = False

    def lint(self) -> LintResult:
        """The result of the mutation on a mesh that was created in the order of `there`."""
        snapshot = History(*self.there, *self._selected()).snapshot
        snapshot.inventories = Inventories(self.inventories)
        return (lint_delete if self.deletes else lint)(snapshot, self.new)

    def _selected(self) -> tuple[Cluster, ...]:
        registered = [each for each in self.there if isinstance(each, Cluster)]
        if self.only_there or not isinstance(self.new, Selected):
            return ()
        wanted = self.new.cluster_selector
        if wanted.match_labels:
            return () if any(map(wanted.selects, registered)) else (cluster("labelled", **wanted.match_labels),)
        names = {each.name for each in registered}
        return tuple(new for new in map(cluster, wanted.clusters) if new.name not in names)

    def touched(self) -> frozenset[str]:
        """The buckets that the mutation touches."""
        before = next((resource for resource in self.there if resource.name == self.new.name), self.new)
        return buckets_of(before) | buckets_of(self.new)


def case(
    text: str,
    there: list[Resource],
    new: Resource,
    *finds: str,
    deletes: bool = False,
    inventories: Sequence[Inventory] = (),
    only_there: bool = False,
) -> Case:
    """A row; `inventories` are the foreign objects on the clusters."""
    return Case(text, tuple(there), new, finds, deletes, tuple(inventories), only_there)
