"""EGR0110: an entry that is not exported to any namespace that calls it.

"The entry exists, but the host is still blocked": the entry is private to namespaces from which nothing calls. Lint
does not know the workloads, so it judges by what policy refers to: an entry visible only in namespaces that no resource
belongs to or names, only in Istio's root namespace, or in none of the namespaces under REGISTRY_ONLY.
"""

from collections.abc import Iterable, Iterator
from itertools import islice

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.lint.rule import Rule
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.objects import ROOT_NAMESPACE
from egress_server.domain.model.resources import ServiceEntry
from egress_server.domain.model.selectors import ANY_NAMESPACE, visible_namespaces

_SHOWN = 3


class UnusedExport(Rule[ServiceEntry]):
    """At most one finding."""

    code = "EGR0110"
    severity = Severity.WARNING
    title = "entry not exported to any namespace that calls it"
    applies_to = (ServiceEntry,)
    related_codes = ("KIA0005",)

    def check(self, snapshot: Snapshot, entry: ServiceEntry) -> Iterator[Finding]:
        """Checks the namespaces that policy refers to."""
        visible = visible_namespaces(entry)
        if ANY_NAMESPACE in visible:
            return
        if not visible:
            yield self.finding(
                "export_to",
                f"'~' hides {entry.hosts[0]} from all workloads: to every caller the host is unregistered",
                "set export_to to the namespaces that call the host, or leave it empty for all namespaces",
            )
            return
        if visible == {ROOT_NAMESPACE}:
            reason = "workloads don't run in Istio's root namespace"
        elif not any(to == entry.namespace or snapshot.knows_namespace(to) for to in visible - {ROOT_NAMESPACE}):
            reason = f"no resource in this mesh belongs to or names {_list(sorted(visible))}"
        elif blocked := _blocked_elsewhere(snapshot, visible):
            reason = f"REGISTRY_ONLY applies to {_list(blocked)} instead"
        else:
            return
        yield self.finding(
            "export_to",
            f"{entry.hosts[0]} is registered only for {_list(sorted(visible))}, but {reason}; to callers in any other "
            "namespace the host is unregistered",
            "add the namespaces that call the host to export_to, or leave export_to empty for all namespaces",
        )


def _blocked_elsewhere(snapshot: Snapshot, visible: frozenset[str]) -> list[str]:
    """Namespaces with a REGISTRY_ONLY policy of their own, if none of them sees the entry."""
    indexes = snapshot.indexes
    if indexes.is_registry_only("") or any(map(indexes.is_registry_only, visible)):
        return []
    return list(islice(indexes.registry_only_namespaces(), _SHOWN))


def _list(namespaces: Iterable[str]) -> str:
    names = list(namespaces)
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
