"""A cluster of some kind with its target, and what other clients and accidents can do to it: what the suite is written
against.

A kind of target opts out of a topic that its port leaves to it; each opt-out has a reason. A test that needs the topic
is then not generated for the kind: nothing is skipped.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any, ClassVar, TypeVar

from egress_server.domain.model.objects import IstioObject, ObjectKey
from egress_server.domain.model.resources import Resource
from tests.support.target_driver import TargetDriver

Test = TypeVar("Test", bound=Callable[..., Any])


class Topic(Enum):
    """What not every kind of target promises."""

    FOREIGN = "unmanaged objects of other clients are next to managed ones"
    FOREIGN_OBSTACLE = "an unmanaged object with a managed object's name is an obstacle for its resource only"
    DRIFT = "other clients can change managed objects"
    EVENTS = "changes by other clients are reported when they happen"
    WRITERS = "the cluster knows who changed an object last"
    FENCE = "an older fencing token is refused"
    PROCESSES = "several processes can have the cluster open at the same time"
    CREATION_ORDER = "which of two objects is older can be seen"
    VERSIONS = "it can be seen whether an object was written"
    OUTAGE = "the cluster can be out of reach"
    RECORD = "the record on the cluster can be damaged"
    REJECTION = "the cluster can reject one object of an apply"


def needs(*topics: Topic) -> Callable[[Test], Test]:
    """Marks a test that is only for kinds that promise these topics."""

    def mark(test: Test) -> Test:
        test.__dict__["topics"] = frozenset(topics)
        return test

    return mark


def topics_of(test: Callable[..., Any]) -> frozenset[Topic]:
    """Those that a test needs."""
    found: frozenset[Topic] = getattr(test, "topics", frozenset())
    return found


class TargetBench(ABC):
    """One cluster, empty at first, and the `process` that manages it. The cluster can't hold the resource
    `unsupported`.

    Each method after `close` belongs to a topic, and is not called if the kind opts out of it. ServiceEntries of other
    clients are in namespace `default`.
    """

    opt_outs: ClassVar[Mapping[Topic, str]]
    unsupported: ClassVar[Resource]
    immediate: ClassVar[bool] = False
    """Whether every process sees a change as soon as it is made."""
    process: TargetDriver

    @abstractmethod
    async def another(self) -> TargetDriver:
        """A process that has just started and opens the cluster. Unless there can be several, the former one has
        stopped. Raises what opening raises."""

    @abstractmethod
    async def close(self) -> None:
        """Closes whatever was opened."""

    def spoil(self, obj: IstioObject) -> IstioObject:
        """The object in a form that the cluster rejects."""
        raise NotImplementedError

    async def versions(self) -> Mapping[str, object]:
        """A value for each object and for the witness, which changes when it is written."""
        raise NotImplementedError

    async def creation_order(self) -> Sequence[str]:
        """The names of the managed ServiceEntries, oldest first. Two of the same age fail."""
        raise NotImplementedError

    async def create_foreign(self, name: str) -> None:
        """Another client creates a ServiceEntry."""
        raise NotImplementedError

    async def delete_foreign(self, name: str) -> None:
        """Another client deletes one of its ServiceEntries."""
        raise NotImplementedError

    async def foreign(self) -> Mapping[str, object]:
        """The ServiceEntries of other clients, as they are, with their versions."""
        raise NotImplementedError

    async def change(self, key: ObjectKey, spec: Mapping[str, Any], by: str = "kubectl") -> None:
        """Another client changes fields in the spec of a managed object."""
        raise NotImplementedError

    async def delete(self, key: ObjectKey) -> None:
        """Another client deletes a managed object."""
        raise NotImplementedError

    async def take_down(self) -> None:
        """The cluster is out of reach from now on."""
        raise NotImplementedError

    async def bring_back(self) -> None:
        """The cluster can be reached again."""
        raise NotImplementedError

    async def damage_record(self) -> None:
        """The record on the cluster becomes unreadable."""
        raise NotImplementedError
