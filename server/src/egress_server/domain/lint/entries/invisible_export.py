"""EGR0110: an entry that is exported to nobody who asks.

"The entry exists, still blocked": it is private to a namespace from which nobody calls. Which workloads there are is
not known here, so this is judged by what policy speaks of: an entry seen only in namespaces that no resource lives in
or names, only in Istio's root namespace, or in none of the namespaces that REGISTRY_ONLY holds in.
"""

from collections.abc import Iterable, Iterator
from itertools import islice

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.objects import ROOT_NAMESPACE
from egress_server.domain.model.resources import ServiceEntry
from egress_server.domain.model.selectors import EVERYONE, visible_namespaces

_SHOWN = 3


class InvisibleExport(Rule[ServiceEntry]):
    """One finding at most."""

    code = "EGR0110"
    severity = Severity.WARNING
    title = "an entry exported to nobody who asks"
    on = (ServiceEntry,)
    related_codes = ("KIA0005",)

    def check(self, snapshot: Snapshot, entry: ServiceEntry) -> Iterator[Finding]:
        """Looks at the namespaces that policy speaks of."""
        seen_by = visible_namespaces(entry)
        if EVERYONE in seen_by:
            return
        if seen_by == {ROOT_NAMESPACE}:
            why = "workloads don't call from Istio's root namespace"
        elif not any(to == entry.namespace or _is_known(snapshot, to) for to in seen_by - {ROOT_NAMESPACE}):
            why = f"nothing in this mesh is in or speaks of {_list(sorted(seen_by))}"
        elif blocked := _blocked_elsewhere(snapshot, seen_by):
            why = f"REGISTRY_ONLY holds in {_list(blocked)}, which is none of them"
        else:
            return
        yield self.found(
            "export_to",
            f"{entry.hosts[0]} is registered only for {_list(sorted(seen_by))}, and {why}; whoever else calls it does "
            "so as if there were no entry",
            "add the namespaces that call it to export_to, or leave export_to empty for all",
        )


def _is_known(snapshot: Snapshot, namespace: str) -> bool:
    """Whether policy speaks of a namespace, or some cluster has it."""
    return snapshot.indexes.knows(namespace) or snapshot.inventories.has_namespace(namespace)


def _blocked_elsewhere(snapshot: Snapshot, seen_by: frozenset[str]) -> list[str]:
    """Namespaces under a REGISTRY_ONLY of their own, if that holds in none that see the entry."""
    indexes = snapshot.indexes
    if indexes.is_registry_only("") or any(map(indexes.is_registry_only, seen_by)):
        return []
    return list(islice(indexes.registry_only_namespaces(), _SHOWN))


def _list(namespaces: Iterable[str]) -> str:
    names = list(namespaces)
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
