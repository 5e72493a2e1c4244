"""Interception in pod templates, if no admission policy can set it: written when a user restarts a workload, and
restored the same way.

A changed template restarts its pods, which is not for us to decide. Until then the rules wait in our record on the
cluster (last_applied.py).
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from egress_server.domain.model.errors import PermanentError, TransientError
from egress_server.domain.model.status import UNSUPPORTED
from egress_server.targets.kubernetes.api.client import ApiClient, Object
from egress_server.targets.kubernetes.api.errors import CONFLICT, ApiError
from egress_server.targets.kubernetes.api.kinds import DAEMON_SET, DEPLOYMENT, STATEFUL_SET, ApiKind
from egress_server.targets.kubernetes.interception.admission import ScopedRules, narrowest
from egress_server.targets.kubernetes.interception.pods import VALUE_BY_ANNOTATION

TEMPLATED = {kind.name: kind for kind in (DEPLOYMENT, STATEFUL_SET, DAEMON_SET)}
"""The kinds that create pods from a template, and replace them when it changes."""
BEFORE = "egress.mesh/interception-before"
"""On a template: what we wrote, and the previous values, as JSON; null if there was none."""

Annotations = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PodTemplate:
    """What a workload's template puts on its pods."""

    annotations: Annotations
    labels: Mapping[str, str]

    @classmethod
    def of(cls, workload: Object) -> "PodTemplate":
        """That of a Deployment, StatefulSet or DaemonSet."""
        metadata = workload["spec"]["template"].get("metadata", {})
        return cls(metadata.get("annotations") or {}, metadata.get("labels") or {})


def own_annotations(annotations: Annotations) -> dict[str, str]:
    """The template's own interception annotations, without what we wrote."""
    whole = {**annotations, **_previous(annotations)}
    return {name: value for name, value in whole.items() if name in VALUE_BY_ANNOTATION and value is not None}


def template_change(annotations: Annotations, rules: ScopedRules | None) -> dict[str, str | None]:
    """What to merge into the annotations so that new pods get these rules or, without rules, those of the template
    itself. What another client has changed since we wrote it stays."""
    if rules is None:
        return {**_previous(annotations), BEFORE: None} if BEFORE in annotations else {}
    own = own_annotations(annotations)
    ours = {name: rules.values[value] for name, value in VALUE_BY_ANNOTATION.items()}
    before = {"ours": ours, "was": {name: own.get(name) for name in VALUE_BY_ANNOTATION}}
    return {**ours, BEFORE: orjson.dumps(before, option=orjson.OPT_SORT_KEYS).decode()}


async def restore_templates(client: ApiClient) -> None:
    """Removes everything we wrote from the cluster's templates; that restarts their pods. Raises ApiError,
    TransientError, PermanentError."""
    for kind in TEMPLATED.values():
        async for page in client.pages(kind):
            for workload in page.items:
                if change := template_change(PodTemplate.of(workload).annotations, None):
                    await _merge_if_there(client, kind, workload, change)


async def merge(client: ApiClient, kind: ApiKind, workload: Object, annotations: Mapping[str, str | None]) -> Object:
    """Merges annotations into the template, at the version that was read; returns the workload as stored."""
    metadata = workload["metadata"]
    change: dict[str, Any] = {"metadata": {"resourceVersion": metadata["resourceVersion"]}}
    change["spec"] = {"template": {"metadata": {"annotations": dict(annotations)}}}
    return await client.merge(kind, metadata["namespace"], metadata["name"], change)


async def _merge_if_there(client: ApiClient, kind: ApiKind, workload: Object, change: Mapping[str, str | None]) -> None:
    try:
        await merge(client, kind, workload, change)
    except ApiError as error:
        if not error.missing:
            raise


def _previous(annotations: Annotations) -> dict[str, str | None]:
    """The previous values of what is still as we wrote it."""
    try:
        # wording: the keys are stored in annotations
        before = orjson.loads(annotations.get(BEFORE, '{"ours": {}}'))
        ours: dict[str, str] = before["ours"]
        return {name: before["was"][name] for name, value in ours.items() if annotations.get(name) == value}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}  # damaged: then what is there counts as the template's own


NOT_BACK = "NOT_BACK"
_RESTARTED = "kubectl.kubernetes.io/restartedAt"
_POLL_SECONDS = 0.5


async def restart(client: ApiClient, workload: str, deferred: Sequence[ScopedRules], timeout: float) -> None:
    """Restarts KIND/NAMESPACE/NAME as `kubectl rollout restart` does, with its deferred rules, and returns once all its
    pods are new and available. `deferred` is sorted by rank.

    Raises PermanentError NOT_BACK after `timeout` seconds, NOT_FOUND if it does not exist, UNSUPPORTED if nothing would
    recreate its pods; TransientError CONFLICT if another client has just changed it; ApiError, TransientError.
    """
    kind_name, namespace, name = workload.split("/")
    kind = TEMPLATED.get(kind_name)
    if kind is None:
        kinds = ", ".join(TEMPLATED)
        raise PermanentError(
            UNSUPPORTED, f"can't restart {workload}: only {kinds} recreate their pods; delete it manually"
        )
    found = await client.find(kind, namespace, name)
    if found is None:
        raise PermanentError("NOT_FOUND", f"{workload} does not exist")
    template = PodTemplate.of(found)
    change = template_change(template.annotations, narrowest(deferred, namespace, template.labels))
    stamp = {_RESTARTED: datetime.now(UTC).isoformat(timespec="seconds")}
    try:
        obj = await merge(client, kind, found, {**change, **stamp})
        async with asyncio.timeout(timeout):
            while pending := _pending(obj):
                await asyncio.sleep(_POLL_SECONDS)
                obj = await client.find(kind, namespace, name) or {}
    except TimeoutError:
        raise PermanentError(NOT_BACK, f"{workload} is not ready after {timeout:g} s: {pending}") from None
    except ApiError as error:
        if error.conflict or error.missing:
            raise TransientError(CONFLICT, f"conflict: {workload} has just been modified by another client") from error
        raise


def _pending(obj: Object) -> str:
    """What is still missing, as `kubectl rollout status` sees it; empty if nothing is."""
    if not obj:
        return "it was deleted"
    status: dict[str, Any] = obj.get("status") or {}
    if status.get("observedGeneration", 0) < obj["metadata"]["generation"]:
        return "its controller has not observed the change"
    if obj["kind"] == DAEMON_SET.name:
        wanted = status.get("desiredNumberScheduled", 0)
        fresh, ready = status.get("updatedNumberScheduled", 0), status.get("numberAvailable", 0)
    else:
        wanted = obj["spec"].get("replicas", 1)
        fresh = status.get("updatedReplicas", 0)
        ready = status.get("availableReplicas", status.get("readyReplicas", 0))
    if fresh < wanted:
        return f"{fresh} of {wanted} pods are new"
    if status.get("replicas", wanted) > wanted:
        return f"{status['replicas'] - wanted} old pods are still there"
    return "" if ready >= wanted else f"{ready} of {wanted} pods are available"
