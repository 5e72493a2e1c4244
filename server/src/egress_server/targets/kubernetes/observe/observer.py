"""Reads an observation from the cache."""

from collections.abc import Iterator, Mapping

from egress_server.domain.model.objects import FAULT_EXPIRY_ANNOTATION, IstioObject, ObjectKey
from egress_server.domain.observed.inventory import Capabilities
from egress_server.targets.kubernetes.api import kinds
from egress_server.targets.kubernetes.api.discovery import ClusterInfo
from egress_server.targets.kubernetes.api.kinds import MANAGED_KINDS
from egress_server.targets.kubernetes.informer.cache import Cache
from egress_server.targets.kubernetes.informer.objects import CachedObject
from egress_server.targets.kubernetes.informer.watch_specs import UNEVALUATED_KINDS, injector_name
from egress_server.targets.kubernetes.interception.admission import ScopedRules, read_scoped_rules
from egress_server.targets.kubernetes.interception.survey import Injection
from egress_server.targets.kubernetes.label_selector import WorkloadSelector
from egress_server.targets.kubernetes.last_applied import SavedFields, last_applied_key, read_last_applied
from egress_server.targets.kubernetes.merge.owned_fields import fields_object
from egress_server.targets.kubernetes.merge.registry import OWNED_FIELDS, containing_object
from egress_server.targets.kubernetes.observe.inventory import injector_values
from egress_server.targets.kubernetes.observe.observation import KubernetesLive, Observation
from egress_server.targets.kubernetes.observe.selection import workload_selector
from egress_server.targets.kubernetes.observe.services import OtherObjects


class Observer:
    """Observes the cluster behind `cache`, with that root namespace and revision."""

    def __init__(self, cache: Cache, root: str, revision: str) -> None:
        self._cache = cache
        self._root = root
        self._revision = revision
        self._managed: dict[ObjectKey, tuple[CachedObject, IstioObject]] = {}
        self._readable_mesh_config: str | None = None

    def live(self, info: ClusterInfo) -> KubernetesLive:
        """What the cluster holds now. Raises PermanentError STATE_UNREADABLE."""
        state = read_last_applied(self._cache.get(last_applied_key(self._root)))
        everything = {
            key: found for kind in MANAGED_KINDS.values() for key, found in self._cache.objects_of(kind).items()
        }
        managed = {key: found for key, found in everything.items() if found.managed and not found.terminating}
        self._managed = {key: self._as_desired(key, found) for key, found in managed.items()}
        objects = {key: obj for key, (_, obj) in self._managed.items()}
        changed_by = {key: found.writer for key, found in managed.items() if found.writer}
        for key, saved in state.saved.items():
            container = self._cache.get(containing_object(key))
            if container is not None:
                objects[key] = _owned_fields(key, container, saved)
                changed_by[key] = container.writer
        objects |= state.deferred
        everything |= self._cache.objects_of(kinds.CONFIG_MAP)
        observation = Observation(
            root=self._root,
            revision=self._revision,
            namespaces=self.namespaces(),
            capabilities=self._capabilities(info),
            dynamic_dns=info.dynamic_dns,
            auto_allocate=info.auto_allocate,
            service_ranges=tuple(self._service_ranges()),
            objects=everything,
            saved=state.saved,
            former_mesh_config=self._readable_mesh_config,
        )
        self._readable_mesh_config = observation.mesh_config_in_effect
        return KubernetesLive(objects, state.witness, changed_by=changed_by, observation=observation)

    def namespaces(self) -> dict[str, Mapping[str, str]]:
        """The labels of each namespace."""
        return {key.name: found.labels for key, found in self._cache.objects_of(kinds.NAMESPACE).items()}

    def other_objects(self) -> OtherObjects:
        """What is on the cluster besides the objects of an observation."""
        slices, workloads = kinds.ENDPOINT_SLICE, kinds.WORKLOAD_ENTRY
        return OtherObjects(
            services=self._cache.objects_of(kinds.SERVICE).values(),
            endpoint_slices=self._cache.objects_of(slices).values() if self._cache.served(slices) else None,
            workload_entries=self._cache.objects_of(workloads).values() if self._cache.served(workloads) else None,
            unevaluated={kind.name: self._cache.objects_of(kind).values() for kind in UNEVALUATED_KINDS},
        )

    def workload_selectors(self) -> frozenset[WorkloadSelector]:
        """Those of all ServiceEntries."""
        found = map(workload_selector, self._cache.objects_of(kinds.SERVICE_ENTRY).values())
        return frozenset(selector for selector in found if selector is not None)

    def injection(self) -> Injection:
        """The interception rules that new pods get. Raises PermanentError STATE_UNREADABLE."""
        mesh = injector_values(self._cache.objects_of(kinds.CONFIG_MAP), self._root, self._revision)
        policies = read_scoped_rules(self._cache.objects_of(kinds.ADMISSION_POLICY).values())
        state = read_last_applied(self._cache.get(last_applied_key(self._root)))
        deferred = sorted(map(ScopedRules.of, state.deferred.values()), key=lambda rules: rules.rank)
        return Injection(mesh, policies, deferred, (self._root, injector_name(self._revision)))

    def _capabilities(self, info: ClusterInfo) -> Capabilities:
        missing = [kind.name for kind in kinds.ISTIO_KINDS if self._cache.served(kind) is None]
        return Capabilities(
            kubernetes_version=info.kubernetes_version,
            istio_version=info.istio_version,
            ambient=info.ambient,
            mutating_admission_policy=self._cache.served(kinds.ADMISSION_POLICY) is not None,
            service_cidr_api=self._cache.served(kinds.SERVICE_CIDR) is not None,
            missing_kinds=tuple(missing),
        )

    def _as_desired(self, key: ObjectKey, found: CachedObject) -> tuple[CachedObject, IstioObject]:
        known = self._managed.get(key)
        return known if known is not None and known[0] is found else (found, found.as_desired())

    def _service_ranges(self) -> Iterator[str]:
        for _, found in sorted(self._cache.objects_of(kinds.SERVICE_CIDR).items()):
            yield from found.content.get("cidrs", ())


def _owned_fields(key: ObjectKey, container: CachedObject, saved: SavedFields) -> IstioObject:
    """Our fields in an unmanaged object as they are there. If nothing is left of them they are empty: the object must
    still be restored, or written again."""
    spec = OWNED_FIELDS[key.kind][0].read(container, saved.spec) or {}
    expiry = container.annotations.get(FAULT_EXPIRY_ANNOTATION)
    marks = {FAULT_EXPIRY_ANNOTATION: expiry} if expiry else {}
    return fields_object(key, saved.resource, spec, forced=saved.forced, annotations=marks)
