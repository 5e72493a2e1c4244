"""Drift: what other clients change in managed objects while this applier is responsible for them.

What a cluster was left with is kept in memory. Its status in the store has a digest of that, so that the next applier
knows whether anything was changed meanwhile. If desired state has moved on as well by then, the two can't be
distinguished: the cluster is brought to desired state, and nothing is reported as drift.
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
"""How many objects a cluster's status lists, those that drifted last."""
CORRECTIONS = 5
WINDOW_SECONDS = 60.0
"""An object that was corrected so often within this time is left alone for as long: another client insists on it."""
_NEVER = datetime.max.replace(tzinfo=UTC)
_encoder = msgspec.json.Encoder(order="deterministic")


@dataclass(frozen=True, slots=True)
class DetectedDrift:
    """The objects to leave as they are, and the resources to verify again."""

    leave: frozenset[ObjectKey] = frozenset()
    resources: frozenset[str] = frozenset()


class DriftDetector:
    """Drift of one cluster under one lease; `before` is its status at the start of the lease."""

    def __init__(self, cluster: str, context: ApplierContext, before: ClusterStatus) -> None:
        self._cluster = cluster
        self._context = context
        self._before = before
        self._left: Objects | None = None
        self._uncertain: frozenset[ObjectKey] = frozenset()
        self._records = {_key(drift): drift for drift in reversed(before.drift)}
        self._corrections: defaultdict[ObjectKey, list[float]] = defaultdict(list)

    @property
    def records(self) -> tuple[Drift, ...]:
        """The last objects that drifted, newest first."""
        return tuple(reversed(self._records.values()))[:KEPT]

    @property
    def digest(self) -> str:
        """Of what the cluster was left with, without faults, which end by themselves. Empty if that is not known."""
        return "" if self._left is None else _digest(self._left)

    def detect(self, live: Live, desired: Objects, *, known: bool, revision: int, report: bool) -> DetectedDrift:
        """Finds drift in what was gathered: none unless it is `known` that this store reconciled the cluster last.

        `desired` is what the cluster should hold as of `revision`. With `report`, drift is left as it is until desired
        state of the object changes.
        """
        if not known:
            self._left, self._uncertain = live.objects, frozenset()
        elif self._left is None:
            self._left = self._recalled(live, desired, revision)
        now, left = self._context.store_clock.now(), self._left
        found = {
            key: kind
            for key, kind in find_drift(left, live.objects, now).items()
            if key not in self._uncertain and live.objects.get(key) != desired.get(key)
        }
        resources = self._close(found)
        for key, kind in found.items():
            if not self._is_open(key) or self._records[key].kind is not kind:
                drift = drift_record(key, kind, left, live.objects, live.changed_by.get(key, ""), self._context.clock())
                self._open(key, drift, report=report)
                resources |= set(resources_of(left[key])) if key in left else {drift.resource}
        unchanged = [key for key in found if same(left.get(key), desired.get(key), now)]
        leave = frozenset(key for key in unchanged if report or self._is_contested(key))
        return DetectedDrift(leave, frozenset(resources))

    def apply_failed(self, changing: Collection[ObjectKey]) -> None:
        """An apply failed: what these objects were left as is uncertain."""
        self._uncertain |= frozenset(changing)

    def applied(self, live: Live, desired: Objects, *, changed: frozenset[ObjectKey], refused: Collection[str]) -> None:
        """The cluster holds what is `desired`, except for the resources that it refused: `changed` are corrected."""
        back = objects_of(refused, desired)
        for key in [key for key in changed - back if self._is_open(key) and self._records[key].resource not in refused]:
            self._corrections[key].append(self._context.monotonic())
            self._resolve(key)
        still = {key: obj for key, obj in (self._left or {}).items() if self._is_open(key)}
        self._left = {**_except(refused, desired, live.objects), **still}
        self._uncertain = frozenset()
        spare = [key for key in self._records if not self._is_open(key)][:-KEPT]
        for key in spare:
            del self._records[key]
            self._corrections.pop(key, None)

    def _recalled(self, live: Live, desired: Objects, revision: int) -> Objects:
        """What the previous applier left the cluster with."""
        before, witness = self._before, live.witness
        if witness is None or not (witness.revision == revision == before.applied_revision):
            return live.objects
        if before.applied_digest in {"", _digest(live.objects)}:
            return live.objects
        return _except(before.obstacles or (), desired, live.objects)

    def _close(self, found: Mapping[ObjectKey, DriftKind]) -> set[str]:
        """Closes the drift that has gone without a correction, or that desired state agrees with by now."""
        over = [key for key in self._records if self._is_open(key) and key not in found]
        for key in over:
            self._resolve(key)
        return {self._records[key].resource for key in over}

    def _open(self, key: ObjectKey, drift: Drift, *, report: bool) -> None:
        self._records.pop(key, None)
        self._records[key] = drift
        metrics.DRIFT.labels(self._context.mesh, self._cluster, drift.kind.value).inc()
        _log.warning("drift_detected", policy="REPORT" if report else "HEAL", **self._fields(drift))

    def _resolve(self, key: ObjectKey) -> None:
        self._records[key] = healed(self._records[key], self._context.clock())
        _log.info("drift_resolved", **self._fields(self._records[key]))

    def _is_open(self, key: ObjectKey) -> bool:
        return key in self._records and self._records[key].heal_time is None

    def _is_contested(self, key: ObjectKey) -> bool:
        since = self._context.monotonic() - WINDOW_SECONDS
        times = self._corrections[key] = [at for at in self._corrections[key] if at > since]
        if len(times) < CORRECTIONS:
            return False
        drift = self._records[key]
        if not drift.message:
            message = f"corrected {CORRECTIONS} times within a minute and changed back each time; left alone for now"
            self._records[key] = replace(drift, message=message)
            _log.warning("drift_contested", **self._fields(drift))
        return True

    def _fields(self, drift: Drift) -> dict[str, str]:
        return {
            "cluster": self._cluster,
            "kind": drift.kind.value,
            "object": f"{drift.object_kind}/{drift.namespace}/{drift.name}",
            "resource": drift.resource,
            "manager": drift.manager,
        }


def _key(drift: Drift) -> ObjectKey:
    return ObjectKey(drift.object_kind, drift.namespace, drift.name)


def _except(resources: Collection[str], desired: Objects, live: Objects) -> Objects:
    """The desired objects, with those of `resources` as they are on the cluster."""
    if not resources:
        return desired
    back = objects_of(resources, desired)
    kept = {key: obj for key, obj in live.items() if key in back or annotated_resource(obj) in resources}
    return {key: obj for key, obj in desired.items() if key not in back} | kept


def _digest(objects: Objects) -> str:
    plain = strip_expired([objects[key] for key in sorted(objects)], _NEVER)
    return sha256(_encoder.encode(plain)).hexdigest()
