"""One look at what is followed: what lives on the cluster of ours, and all that fitting may know."""

from collections.abc import Iterator, Mapping

from egress_server.domain.model.objects import FAULT_EXPIRY_ANNOTATION, IstioObject, ObjectKey
from egress_server.domain.observed.inventory import Capabilities
from egress_server.targets.kubernetes.api import kinds
from egress_server.targets.kubernetes.api.discovery import Abilities
from egress_server.targets.kubernetes.api.kinds import WRITTEN
from egress_server.targets.kubernetes.informer.cache import Cache
from egress_server.targets.kubernetes.informer.objects import CachedObject
from egress_server.targets.kubernetes.interception.admission import ScopedRules, read_scoped_rules
from egress_server.targets.kubernetes.interception.survey import Injection
from egress_server.targets.kubernetes.last_applied import SavedFields, read_state, state_key
from egress_server.targets.kubernetes.merge.owned_fields import fields_object
from egress_server.targets.kubernetes.merge.registry import OWNED_FIELDS, home_of
from egress_server.targets.kubernetes.observe.inventory import injector_values
from egress_server.targets.kubernetes.observe.observation import KubernetesLive, Observation


class Observer:
    """Looks at `cache`, of a cluster with that root namespace and revision."""

    def __init__(self, cache: Cache, root: str, revision: str) -> None:
        self._cache = cache
        self._root = root
        self._revision = revision
        self._normal: dict[ObjectKey, tuple[CachedObject, IstioObject]] = {}

    def live(self, abilities: Abilities) -> KubernetesLive:
        """Raises PermanentError STATE_UNREADABLE."""
        state = read_state(self._cache.get(state_key(self._root)))
        everything = {key: found for kind in WRITTEN.values() for key, found in self._cache.of(kind).items()}
        ours = {key: found for key, found in everything.items() if found.ours and not found.going}
        self._normal = {key: self._normalised(key, found) for key, found in ours.items()}
        objects = {key: obj for key, (_, obj) in self._normal.items()}
        changed_by = {key: found.writer for key, found in ours.items() if found.writer}
        for key, held in state.held.items():
            home = self._cache.get(home_of(key))
            if home is not None:
                objects[key] = _part(key, home, held)
                changed_by[key] = home.writer
        objects |= state.deferred
        everything |= self._cache.of(kinds.CONFIG_MAP)
        view = Observation(
            root=self._root,
            revision=self._revision,
            namespaces=self.namespaces(),
            capabilities=self._capabilities(abilities),
            dynamic_dns=abilities.dynamic_dns,
            ranges=tuple(self._ranges()),
            objects=everything,
            held=state.held,
        )
        return KubernetesLive(objects, state.witness, changed_by=changed_by, view=view)

    def namespaces(self) -> dict[str, Mapping[str, str]]:
        """The labels of each namespace."""
        return {key.name: found.labels for key, found in self._cache.of(kinds.NAMESPACE).items()}

    def injection(self) -> Injection:
        """What new pods get. Raises PermanentError STATE_UNREADABLE."""
        mesh = injector_values(self._cache.of(kinds.CONFIG_MAP), self._root, self._revision)
        policies = read_scoped_rules(self._cache.of(kinds.ADMISSION_POLICY).values())
        state = read_state(self._cache.get(state_key(self._root)))
        deferred = sorted(map(ScopedRules.of, state.deferred.values()), key=lambda rules: rules.rank)
        return Injection(mesh, policies, deferred)

    def _capabilities(self, abilities: Abilities) -> Capabilities:
        missing = [kind.name for kind in kinds.OF_ISTIO if self._cache.served(kind) is None]
        return Capabilities(
            kubernetes_version=abilities.kubernetes_version,
            istio_version=abilities.istio_version,
            ambient=abilities.ambient,
            mutating_admission_policy=self._cache.served(kinds.ADMISSION_POLICY) is not None,
            service_cidr_api=self._cache.served(kinds.SERVICE_CIDR) is not None,
            missing_kinds=tuple(missing),
        )

    def _normalised(self, key: ObjectKey, found: CachedObject) -> tuple[CachedObject, IstioObject]:
        known = self._normal.get(key)
        return known if known is not None and known[0] is found else (found, found.normal())

    def _ranges(self) -> Iterator[str]:
        for _, found in sorted(self._cache.of(kinds.SERVICE_CIDR).items()):
            yield from found.content.get("cidrs", ())


def _part(key: ObjectKey, home: CachedObject, held: SavedFields) -> IstioObject:
    """Our part of an object that is not ours, as it is there. Where nothing is left of it, it is empty: the object has
    still to be given back, or written into again."""
    spec = OWNED_FIELDS[key.kind][0].read(home, held.spec) or {}
    expiry = home.annotations.get(FAULT_EXPIRY_ANNOTATION)
    marks = {FAULT_EXPIRY_ANNOTATION: expiry} if expiry else {}
    return fields_object(key, held.resource, spec, forced=held.forced, annotations=marks)
