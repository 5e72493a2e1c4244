"""What a lint rule is. There is one file per rule; its code is permanent, and docs/lint/CODE.md explains it.

A rule of mutations compares a mutation with what exists, and only through the snapshot's indexes: an upsert costs the
same among ten entries and among ten thousand. A rule of connections looks at one connection as one workload would make
it. Messages name the cause, the effect in a real mesh and the smallest fix.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

from egress_server.domain.desired.cluster_view import ClusterReport
from egress_server.domain.desired.effective import Effective
from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.live.decision import LiveReport
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import Resource
from egress_server.domain.simulate.evaluate import Evaluation

R = TypeVar("R", bound=Resource, contravariant=True)


class BaseRule(ABC):
    """What rules of mutations and of connections have in common. `related_codes` are those of other tools."""

    code: ClassVar[str]
    severity: ClassVar[Severity]
    title: ClassVar[str]
    suppressible: ClassVar[bool] = False
    related_codes: ClassVar[tuple[str, ...]] = ()

    def finding(self, field: str, cause: str, fix: str, resource: str = "") -> Finding:
        """A finding of this rule; `resource` names the other resource involved, if any."""
        return Finding(self.code, self.severity, field, cause, fix, resource, self.suppressible, self.related_codes)


class Rule(BaseRule, Generic[R]):
    """A rule for mutations of resources of the types `applies_to`.

    Only a rule of severity ERROR blocks, and only such a rule must declare what it reads: the store refuses the commit
    if one of these buckets has changed since (no write skew).
    """

    applies_to: ClassVar[tuple[type, ...]]

    @abstractmethod
    def check(self, snapshot: Snapshot, resource: R, /) -> Iterable[Finding]:
        """The findings on setting `resource`; the snapshot has its previous state, if it exists."""

    def reads(self, _snapshot: Snapshot, _resource: R, /) -> Iterable[str]:
        """The buckets that `check` reads."""
        return ()

    def check_delete(self, _snapshot: Snapshot, _resource: R, /) -> Iterable[Finding]:
        """The findings on deleting the resource, which is in the snapshot."""
        return ()

    def delete_reads(self, _snapshot: Snapshot, _resource: R, /) -> Iterable[str]:
        """The buckets that `check_delete` reads."""
        return ()


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection as evaluated: `effective` is what takes effect on the cluster, `report` is what its applier has
    reported. `live` is what the sidecar's configuration does with it, None if that is not known."""

    snapshot: Snapshot
    effective: Effective
    evaluation: Evaluation
    report: ClusterReport
    live: LiveReport | None = None


class ExplainRule(BaseRule):
    """A rule for connections (EGR06xx). `explain` runs it; it never blocks anything."""

    @abstractmethod
    def check(self, connection: Connection, /) -> Iterable[Finding]:
        """The findings on a connection."""
