"""What a lint rule is. One file a rule; its code is permanent, and its page is docs/lint/CODE.md.

A rule looks at a mutation beside what is already there, and only through the snapshot's indexes: an upsert costs the
same beside ten entries and beside ten thousand. Texts name cause, effect in a real mesh and the smallest fix.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import ClassVar, Generic, TypeVar

from egress_server.domain.desired.snapshot import Snapshot
from egress_server.domain.model.findings import Finding, Severity
from egress_server.domain.model.resources import Resource

R = TypeVar("R", bound=Resource, contravariant=True)


class Rule(ABC, Generic[R]):
    """One rule, for resources of the types `on`. Only a rule of severity ERROR blocks, and only such a rule has to say
    what it read: the store refuses the commit where one of these buckets has changed meanwhile (no write skew)."""

    code: ClassVar[str]
    severity: ClassVar[Severity]
    title: ClassVar[str]
    on: ClassVar[tuple[type, ...]]
    forceable: ClassVar[bool] = False
    related_codes: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def check(self, snapshot: Snapshot, resource: R, /) -> Iterable[Finding]:
        """What is wrong with setting `resource`, which is in the snapshot as it was before, if it was there."""

    def reads(self, _snapshot: Snapshot, _resource: R, /) -> Iterable[str]:
        """The buckets that `check` looks at."""
        return ()

    def check_delete(self, _snapshot: Snapshot, _resource: R, /) -> Iterable[Finding]:
        """What is wrong with deleting the resource, which is in the snapshot."""
        return ()

    def delete_reads(self, _snapshot: Snapshot, _resource: R, /) -> Iterable[str]:
        """The buckets that `check_delete` looks at."""
        return ()

    def found(self, field: str, cause: str, fix: str, resource: str = "") -> Finding:
        """A finding of this rule; `resource` names the other one involved, if any."""
        return Finding(self.code, self.severity, field, cause, fix, resource, self.forceable, self.related_codes)
