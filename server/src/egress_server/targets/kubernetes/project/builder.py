"""A fit in the making, and what every kind of object has to pass."""

from collections.abc import Mapping, Sequence
from functools import cached_property

from egress_server.domain.model.objects import MANAGED_BY, IstioObject, ObjectKey, key_of, resource_of
from egress_server.domain.model.resources import Cluster
from egress_server.domain.model.status import NAMESPACE_MISSING, UNSUPPORTED, Problem
from egress_server.domain.render.virtual_service import resources_in
from egress_server.targets.kubernetes.informer.objects import CachedObject
from egress_server.targets.kubernetes.last_applied import name_of_object
from egress_server.targets.kubernetes.merge.owned_fields import FOREIGN_OWNER, fields_object
from egress_server.targets.kubernetes.observe.observation import Observation, full_hosts, heeded


class Projection:
    """What `cluster` is to hold, and why it does not hold the rest; `view` is what it holds now."""

    def __init__(self, cluster: Cluster, view: Observation) -> None:
        self.cluster = cluster
        self.view = view
        self._objects: dict[ObjectKey, IstioObject] = {}
        self.obstacles: dict[str, Problem] = {}
        self._adopted = frozenset(cluster.adopted)

    @property
    def objects(self) -> tuple[IstioObject, ...]:
        """What the cluster is to hold."""
        return tuple(self._objects.values())

    def take(self, obj: IstioObject) -> None:
        """The cluster is to hold it, in the place of what was taken for the same object."""
        self._objects[key_of(obj)] = obj

    def part(self, key: ObjectKey) -> IstioObject | None:
        """What was taken for an object."""
        return self._objects.get(key)

    def refuse(self, obj: IstioObject, reason: str, message: str) -> None:
        """The cluster can't hold what `obj` carries out."""
        for resource in resources_in(obj):
            self.obstacles.setdefault(resource, Problem(reason, message))

    def adopted(self, key: ObjectKey) -> bool:
        """Whether somebody allowed us to change an object that is not ours."""
        return name_of_object(key) in self._adopted

    def passes(self, obj: IstioObject) -> bool:
        """Whether the cluster knows the kind and the namespace of an object; if not, it is refused."""
        kind, namespace = obj["kind"], obj["metadata"]["namespace"]
        if kind in self.view.capabilities.missing_kinds:
            self.refuse(obj, UNSUPPORTED, f"the cluster does not know {kind}: Istio is not installed there, or too old")
            return False
        if namespace not in self.view.namespaces:
            self.refuse(obj, NAMESPACE_MISSING, f"the cluster has no namespace {namespace} yet")
            return False
        return True

    def refuse_owner(self, obj: IstioObject, owner: CachedObject, why: str) -> None:
        """Something that is not ours stands in the way, and adoption would change that."""
        name = name_of_object(owner.key)
        by = f" (last written by {owner.writer})" if owner.writer else ""
        self.refuse(
            obj,
            FOREIGN_OWNER,
            f"{name}{by} {why}; to let mesh-egress change it there: egressctl cluster adopt {self.cluster.id} {name}",
        )

    def deciding(self, host: str) -> Sequence[CachedObject]:
        """The VirtualServices of others that sidecars heed for a host, the oldest first."""
        return self._deciding.get(host, ())

    @cached_property
    def _deciding(self) -> Mapping[str, Sequence[CachedObject]]:
        found: dict[str, list[CachedObject]] = {}
        for other in self.view.foreign("VirtualService"):
            for host in full_hosts(other) if heeded(other.content) else ():
                found.setdefault(host, []).append(other)
        return found

    def namesake(self, obj: IstioObject) -> CachedObject | None:
        """What has the object's name and is not ours."""
        found = self.view.objects.get(key_of(obj))
        return None if found is None or found.ours else found


def own(obj: IstioObject, **spec: object) -> IstioObject:
    """An object of ours with other fields."""
    return {**obj, "metadata": {**obj["metadata"], "labels": dict(MANAGED_BY)}, "spec": {**obj["spec"], **spec}}


def fit_entry(draft: Projection, obj: IstioObject) -> None:
    """A ServiceEntry or DestinationRule."""
    if not draft.passes(obj):
        return
    if obj["spec"].get("resolution") == "DYNAMIC_DNS" and not draft.view.dynamic_dns:
        version = draft.view.capabilities.istio_version or "unknown"
        draft.refuse(obj, UNSUPPORTED, f"resolution DYNAMIC_DNS needs Istio 1.31; the cluster's is {version}")
        return
    namesake = draft.namesake(obj)
    if namesake is None:
        draft.take(obj)
    elif draft.adopted(namesake.key):
        draft.take(fields_object(key_of(obj), resource_of(obj), obj["spec"], forced=True))
    else:
        draft.refuse_owner(obj, namesake, "has this name and is not ours")
