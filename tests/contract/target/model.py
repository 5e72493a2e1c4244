"""What a target promises, as simply as it can be said."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from egress_server.domain.model.objects import IstioObject, ObjectKey, key_of
from egress_server.domain.render.expired_faults import strip_expired
from egress_server.ports.target import Witness


@dataclass
class TargetModel:
    """What the cluster must hold: `objects` is in order of age. `changed` are those that another client changed last;
    `foreign` are names of unmanaged ServiceEntries."""

    objects: dict[ObjectKey, IstioObject] = field(default_factory=dict)
    witness: Witness | None = None
    changed: set[ObjectKey] = field(default_factory=set)
    foreign: set[str] = field(default_factory=set)

    @property
    def entries(self) -> list[str]:
        """The names of the managed ServiceEntries, oldest first."""
        return [key.name for key in self.objects if key.kind == "ServiceEntry"]

    def is_in_the_way(self, key: ObjectKey) -> bool:
        """Whether an unmanaged object has this key."""
        return key.kind == "ServiceEntry" and key.name in self.foreign

    def refuses(self, witness: Witness) -> bool:
        """Whether a newer applier of the same store has taken over."""
        last = self.witness
        return last is not None and last.epoch == witness.epoch and last.fence > witness.fence

    def apply(self, desired: Sequence[IstioObject], witness: Witness | None) -> None:
        """`desired` are the only objects from now on, oldest first. One that exists keeps its age."""
        new = {key_of(obj): obj for obj in desired}
        self.changed = {key for key in self.changed if new.get(key) == self.objects[key]}
        kept = {key: new[key] for key in self.objects if key in new}
        self.objects = kept | new
        self.witness = witness

    def strip(self, now: datetime) -> None:
        """Ended faults go."""
        self.objects = {key_of(obj): obj for obj in strip_expired(list(self.objects.values()), now)}

    def change(self, key: ObjectKey, hosts: Sequence[str]) -> bool:
        """Another client changes a managed ServiceEntry. Whether anything has changed."""
        former = self.objects[key]
        changed = {**former, "spec": {**former["spec"], "hosts": list(hosts)}}
        if changed == former:
            return False
        self.objects[key] = changed
        self.changed.add(key)
        return True

    def delete(self, key: ObjectKey) -> None:
        """Another client deletes a managed object."""
        del self.objects[key]
        self.changed.discard(key)
