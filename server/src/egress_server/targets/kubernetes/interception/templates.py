"""Interception in pod templates, where no admission policy can set it: written when somebody has a workload restarted,
and given back the same way.

A changed template restarts its pods, and that is not ours to decide. So what is wanted stands in the cluster's memory
of us (state.py) until then.
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
from egress_server.targets.kubernetes.interception.pods import VALUE_OF

TEMPLATED = {kind.name: kind for kind in (DEPLOYMENT, STATEFUL_SET, DAEMON_SET)}
"""The kinds that make pods of a template, and new ones when it changes."""
BEFORE = "egress.mesh/interception-before"
"""On a template: what we wrote there, and what was there before, as JSON; null stands for nothing."""

Annotations = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PodTemplate:
    """What a workload's template puts on its pods."""

    annotations: Annotations
    labels: Mapping[str, str]

    @classmethod
    def of(cls, workload: Object) -> "PodTemplate":
        """Of a Deployment, StatefulSet or DaemonSet."""
        metadata = workload["spec"]["template"].get("metadata", {})
        return cls(metadata.get("annotations") or {}, metadata.get("labels") or {})


def own_annotations(annotations: Annotations) -> dict[str, str]:
    """What the template says of interception by itself, without what we wrote."""
    whole = {**annotations, **_given_back(annotations)}
    return {name: value for name, value in whole.items() if name in VALUE_OF and value is not None}


def change_of(annotations: Annotations, rules: ScopedRules | None) -> dict[str, str | None]:
    """What to merge into the annotations, so that new pods get the rules, or without rules what the template itself
    says. What somebody has written there since we did is theirs."""
    if rules is None:
        return {**_given_back(annotations), BEFORE: None} if BEFORE in annotations else {}
    own = own_annotations(annotations)
    ours = {name: rules.values[value] for name, value in VALUE_OF.items()}
    before = {"ours": ours, "was": {name: own.get(name) for name in VALUE_OF}}
    return {**ours, BEFORE: orjson.dumps(before, option=orjson.OPT_SORT_KEYS).decode()}


async def give_back_templates(client: ApiClient) -> None:
    """Takes all that we wrote out of the templates of the cluster; their pods are made anew by that. Raises Refusal,
    TransientError, PermanentError."""
    for kind in TEMPLATED.values():
        async for page in client.pages(kind):
            for workload in page.items:
                if change := change_of(PodTemplate.of(workload).annotations, None):
                    await _merge_if_there(client, kind, workload, change)


async def merge(client: ApiClient, kind: ApiKind, workload: Object, annotations: Mapping[str, str | None]) -> Object:
    """Merges annotations into the template, by the version that was looked at. What the workload became."""
    metadata = workload["metadata"]
    change: dict[str, Any] = {"metadata": {"resourceVersion": metadata["resourceVersion"]}}
    change["spec"] = {"template": {"metadata": {"annotations": dict(annotations)}}}
    return await client.merge(kind, metadata["namespace"], metadata["name"], change)


async def _merge_if_there(client: ApiClient, kind: ApiKind, workload: Object, change: Mapping[str, str | None]) -> None:
    try:
        await merge(client, kind, workload, change)
    except ApiError as refusal:
        if not refusal.missing:
            raise


def _given_back(annotations: Annotations) -> dict[str, str | None]:
    """What was there before us, of what is still as we wrote it."""
    try:
        before = orjson.loads(annotations.get(BEFORE, '{"ours": {}}'))
        ours: dict[str, str] = before["ours"]
        return {name: before["was"][name] for name, value in ours.items() if annotations.get(name) == value}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}  # somebody has damaged it: then what stands there is theirs


NOT_BACK = "NOT_BACK"
_RESTARTED = "kubectl.kubernetes.io/restartedAt"
_POLL_SECONDS = 0.5


async def restart(client: ApiClient, workload: str, deferred: Sequence[ScopedRules], patience: float) -> None:
    """Restarts KIND/NAMESPACE/NAME and returns once all its pods are new and available. `deferred` are the rules that
    wait for restarts, in the order in which they are asked.

    Raises PermanentError NOT_BACK after `patience` seconds, NOT_FOUND where there is none, UNSUPPORTED where nothing
    would create its pods again; TransientError CONFLICT where somebody has just changed it; Refusal, TransientError.
    """
    kind_name, namespace, name = workload.split("/")
    kind = TEMPLATED.get(kind_name)
    if kind is None:
        raise PermanentError(UNSUPPORTED, f"{workload}: only {', '.join(TEMPLATED)} bring new pods; delete it by hand")
    found = await client.find(kind, namespace, name)
    if found is None:
        raise PermanentError("NOT_FOUND", f"there is no {workload}")
    template = PodTemplate.of(found)
    change = change_of(template.annotations, narrowest(deferred, namespace, template.labels))
    stamp = {_RESTARTED: datetime.now(UTC).isoformat(timespec="seconds")}
    try:
        obj = await merge(client, kind, found, {**change, **stamp})
        async with asyncio.timeout(patience):
            while waits_for := _waits_for(obj):
                await asyncio.sleep(_POLL_SECONDS)
                obj = await client.find(kind, namespace, name) or {}
    except TimeoutError:
        raise PermanentError(NOT_BACK, f"{workload} is not back after {patience:g} s: {waits_for}") from None
    except ApiError as refusal:
        if refusal.conflict or refusal.missing:
            raise TransientError(CONFLICT, f"somebody has just changed {workload}") from refusal
        raise


def _waits_for(obj: Object) -> str:
    """What is still to come, as `kubectl rollout status` sees it; empty where nothing is."""
    if not obj:
        return "it is gone"
    status: dict[str, Any] = obj.get("status") or {}
    if status.get("observedGeneration", 0) < obj["metadata"]["generation"]:
        return "its controller has not seen the change"
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
