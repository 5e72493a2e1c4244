"""Collects a projection, and checks what every kind of object requires."""

from collections.abc import Mapping, Sequence
from functools import cached_property

from egress_server.domain.model.clusters import Cluster
from egress_server.domain.model.objects import MANAGED_BY, IstioObject, ObjectKey, key_of
from egress_server.domain.model.status import NAMESPACE_IGNORED, NAMESPACE_MISSING, UNSUPPORTED, Problem
from egress_server.domain.render.virtual_service import resources_in
from egress_server.targets.kubernetes.api.kinds import ISTIO_KINDS
from egress_server.targets.kubernetes.informer.objects import CachedObject
from egress_server.targets.kubernetes.last_applied import object_name
from egress_server.targets.kubernetes.merge.owned_fields import FOREIGN_OWNER
from egress_server.targets.kubernetes.observe.observation import Observation, applies_to_sidecars, full_hosts

_ISTIO_KINDS = frozenset(kind.name for kind in ISTIO_KINDS)


class ProjectionBuilder:
    """What `cluster` should hold, and why it can't hold the rest; `observed` is what it holds now."""

    def __init__(self, cluster: Cluster, observed: Observation) -> None:
        self.cluster = cluster
        self.observed = observed
        self._objects: dict[ObjectKey, IstioObject] = {}
        self.obstacles: dict[str, Problem] = {}
        self._adopted = frozenset(cluster.orders.adopted)

    @property
    def objects(self) -> tuple[IstioObject, ...]:
        """What the cluster should hold."""
        return tuple(self._objects.values())

    def add(self, obj: IstioObject) -> None:
        """The cluster should hold it, instead of what was added for the same object before."""
        self._objects[key_of(obj)] = obj

    def get(self, key: ObjectKey) -> IstioObject | None:
        """What was added for an object."""
        return self._objects.get(key)

    def reject(self, obj: IstioObject, reason: str, message: str) -> None:
        """The cluster can't hold `obj`: an obstacle for the resources that it implements."""
        for resource in resources_in(obj):
            self.obstacles.setdefault(resource, Problem(reason, message))

    def is_adopted(self, key: ObjectKey) -> bool:
        """Whether a user allowed us to change this unmanaged object."""
        return object_name(key) in self._adopted

    def accepts(self, obj: IstioObject) -> bool:
        """Whether the cluster serves the kind of an object and has its namespace; rejects the object if not."""
        kind, namespace = obj["kind"], obj["metadata"]["namespace"]
        if kind in self.observed.capabilities.missing_kinds:
            self.reject(obj, UNSUPPORTED, f"the cluster does not serve {kind}: Istio is not installed, or too old")
            return False
        if namespace not in self.observed.namespaces:
            self.reject(obj, NAMESPACE_MISSING, f"namespace {namespace} does not exist on the cluster yet")
            return False
        if kind in _ISTIO_KINDS and (why := self.observed.why_namespace_ignored(namespace)):
            self.reject(obj, NAMESPACE_IGNORED, why)
            return False
        return True

    def reject_foreign(self, obj: IstioObject, owner: CachedObject, problem: str) -> None:
        """An unmanaged object is in the way, and adopting it would help."""
        name = object_name(owner.key)
        writer = f" (last written by {owner.writer})" if owner.writer else ""
        self.reject(
            obj,
            FOREIGN_OWNER,
            f"{name}{writer} {problem}; to allow mesh-egress to manage it, "
            f"run: egressctl cluster adopt {self.cluster.id} {name}",
        )

    def add_unless_named(self, obj: IstioObject) -> None:
        """The cluster should hold it, unless an unmanaged object has its name."""
        if namesake := self.foreign_namesake(obj):
            self.reject_foreign(obj, namesake, "has this name and is not managed by mesh-egress")
        else:
            self.add(obj)

    def foreign_virtual_services(self, host: str) -> Sequence[CachedObject]:
        """The unmanaged VirtualServices for a host that apply to sidecars, oldest first."""
        return self._foreign_virtual_services.get(host, ())

    @cached_property
    def _foreign_virtual_services(self) -> Mapping[str, Sequence[CachedObject]]:
        found: dict[str, list[CachedObject]] = {}
        for foreign in self.observed.foreign("VirtualService"):
            for host in full_hosts(foreign) if applies_to_sidecars(foreign.content) else ():
                found.setdefault(host, []).append(foreign)
        return found

    def foreign_namesake(self, obj: IstioObject) -> CachedObject | None:
        """The unmanaged object with the name of `obj`."""
        found = self.observed.objects.get(key_of(obj))
        return None if found is None or found.managed else found

    def named_beside_ignored(self, obj: IstioObject) -> IstioObject:
        """The object, under another name if an object that istiod does not read has its name."""
        while (found := self.foreign_namesake(obj)) and self.observed.why_ignored(found):
            metadata = obj["metadata"]
            obj = {**obj, "metadata": {**metadata, "name": f"{metadata['name']}-{self.observed.istio_revision}"}}
        return obj


def managed_object(obj: IstioObject, **spec: object) -> IstioObject:
    """A managed object with other fields in its spec."""
    return {**obj, "metadata": {**obj["metadata"], "labels": dict(MANAGED_BY)}, "spec": {**obj["spec"], **spec}}


def exported_to(obj: IstioObject) -> set[str]:
    """The namespaces that a rendered object is exported to; empty if to all."""
    namespace, export_to = obj["metadata"]["namespace"], obj["spec"]["exportTo"]
    return set() if "*" in export_to else {namespace if to == "." else to for to in export_to}
