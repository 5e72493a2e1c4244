"""What others do to a cluster's objects while we drive it: seen, told, and put right or left, as the mesh wants it.

What the cluster was left with is kept in memory. Its record in the store has a digest of that, by which whoever takes
over knows whether somebody meddled meanwhile. Where desired state has moved on as well then, the one can't be told from
the other: all is brought to what is wanted, and nothing is called drift.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256

import msgspec
import structlog

from egress_server.delivery.context import ApplierContext
from egress_server.domain.diff.drift import (
    Objects,
    annotated_resource,
    drift_record,
    find_drift,
    healed,
    objects_of,
    resources_of,
    same,
)
from egress_server.domain.model.objects import ObjectKey
from egress_server.domain.model.status import ClusterStatus, Drift, DriftKind
from egress_server.domain.render.expired_faults import strip_expired
from egress_server.ports.target import Live
from egress_server.telemetry import metrics

_log = structlog.get_logger(__name__)

KEPT = 50
"""So many objects, the last that drifted, are in a cluster's record."""
HEALS = 5
WINDOW_SECONDS = 60.0
"""What is put right so often within this time is left alone for as long: somebody insists."""
_NEVER = datetime.max.replace(tzinfo=UTC)
_encoder = msgspec.json.Encoder(order="deterministic")


@dataclass(frozen=True, slots=True)
class SeenDrift:
    """What a look found: the objects to leave as they are, and the resources whose effect is to be seen anew."""

    leave: frozenset[ObjectKey] = frozenset()
    resources: frozenset[str] = frozenset()


class DriftWatch:
    """Drift of one cluster under one lease; `before` is its record as of then."""

    def __init__(self, cluster: str, shop: ApplierContext, before: ClusterStatus) -> None:
        self._cluster = cluster
        self._shop = shop
        self._before = before
        self._left: Objects | None = None
        self._unsure: frozenset[ObjectKey] = frozenset()
        self._records = {_key(drift): drift for drift in reversed(before.drift)}
        self._heals: defaultdict[ObjectKey, list[float]] = defaultdict(list)

    @property
    def records(self) -> tuple[Drift, ...]:
        """The last objects that drifted, newest first."""
        return tuple(reversed(self._records.values()))[:KEPT]

    @property
    def digest(self) -> str:
        """Of what the cluster was left with, but for faults: they end without us. Empty where it is not known."""
        return "" if self._left is None else _digest(self._left)

    def look(self, live: Live, wanted: Objects, *, known: bool, revision: int, report: bool) -> SeenDrift:
        """Finds drift in what was gathered: none unless it is `known` that this store drove the cluster last.

        `wanted` is what the cluster should hold as of `revision`; with `report` drift is left as it is until somebody
        wants something else of the object.
        """
        if not known:
            self._left, self._unsure = live.objects, frozenset()
        elif self._left is None:
            self._left = self._recalled(live, wanted, revision)
        now, left = self._shop.store_clock.now(), self._left
        found = {
            key: kind
            for key, kind in find_drift(left, live.objects, now).items()
            if key not in self._unsure and live.objects.get(key) != wanted.get(key)
        }
        resources = self._close(found)
        for key, kind in found.items():
            if not self._is_open(key) or self._records[key].kind is not kind:
                drift = drift_record(key, kind, left, live.objects, live.changed_by.get(key, ""), self._shop.clock())
                self._open(key, drift, report=report)
                resources |= set(resources_of(left[key])) if key in left else {drift.resource}
        unchanged = [key for key in found if same(left.get(key), wanted.get(key), now)]
        leave = frozenset(key for key in unchanged if report or self._is_fought_over(key))
        return SeenDrift(leave, frozenset(resources))

    def failed(self, changing: Collection[ObjectKey]) -> None:
        """An apply did not come to its end: of these nobody knows what they were left as."""
        self._unsure |= frozenset(changing)

    def settled(self, live: Live, wanted: Objects, *, changed: frozenset[ObjectKey], refused: Collection[str]) -> None:
        """The cluster holds what is `wanted`, but for the resources that it refused: `changed` are put right."""
        back = objects_of(refused, wanted)
        for key in [key for key in changed - back if self._is_open(key) and self._records[key].resource not in refused]:
            self._heals[key].append(self._shop.monotonic())
            self._heal(key)
        still = {key: obj for key, obj in (self._left or {}).items() if self._is_open(key)}
        self._left = {**_but_for(refused, wanted, live.objects), **still}
        self._unsure = frozenset()
        spare = [key for key in self._records if not self._is_open(key)][:-KEPT]
        for key in spare:
            del self._records[key]
            self._heals.pop(key, None)

    def _recalled(self, live: Live, wanted: Objects, revision: int) -> Objects:
        """What the cluster was left with by who drove it before us."""
        before, witness = self._before, live.witness
        if witness is None or not (witness.revision == revision == before.applied_revision):
            return live.objects
        if before.applied_digest in {"", _digest(live.objects)}:
            return live.objects
        return _but_for(before.obstacles or (), wanted, live.objects)

    def _close(self, found: Mapping[ObjectKey, DriftKind]) -> set[str]:
        """Of what had drifted, all that is as it should be without us, or as it should by now be changed."""
        over = [key for key in self._records if self._is_open(key) and key not in found]
        for key in over:
            self._heal(key)
        return {self._records[key].resource for key in over}

    def _open(self, key: ObjectKey, drift: Drift, *, report: bool) -> None:
        self._records.pop(key, None)
        self._records[key] = drift
        metrics.DRIFT.labels(self._cluster, drift.kind.value).inc()
        _log.warning("drift", policy="REPORT" if report else "HEAL", **self._told(drift))

    def _heal(self, key: ObjectKey) -> None:
        self._records[key] = healed(self._records[key], self._shop.clock())
        _log.info("drift_healed", **self._told(self._records[key]))

    def _is_open(self, key: ObjectKey) -> bool:
        return key in self._records and self._records[key].heal_time is None

    def _is_fought_over(self, key: ObjectKey) -> bool:
        since = self._shop.monotonic() - WINDOW_SECONDS
        heals = self._heals[key] = [at for at in self._heals[key] if at > since]
        if len(heals) < HEALS:
            return False
        drift = self._records[key]
        if not drift.message:
            message = f"put right {HEALS} times within a minute and changed again each time, so left alone for a while"
            self._records[key] = replace(drift, message=message)
            _log.warning("drift_fought_over", **self._told(drift))
        return True

    def _told(self, drift: Drift) -> dict[str, str]:
        return {
            "cluster": self._cluster,
            "kind": drift.kind.value,
            "object": f"{drift.object_kind}/{drift.namespace}/{drift.name}",
            "resource": drift.resource,
            "manager": drift.manager,
        }


def _key(drift: Drift) -> ObjectKey:
    return ObjectKey(drift.object_kind, drift.namespace, drift.name)


def _but_for(resources: Collection[str], wanted: Objects, live: Objects) -> Objects:
    """The objects that are wanted, but those of `resources` as they are."""
    if not resources:
        return wanted
    back = objects_of(resources, wanted)
    kept = {key: obj for key, obj in live.items() if key in back or annotated_resource(obj) in resources}
    return {key: obj for key, obj in wanted.items() if key not in back} | kept


def _digest(objects: Objects) -> str:
    plain = strip_expired([objects[key] for key in sorted(objects)], _NEVER)
    return sha256(_encoder.encode(plain)).hexdigest()
