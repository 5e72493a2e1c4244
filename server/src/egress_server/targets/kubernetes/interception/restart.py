"""Restarts a workload as `kubectl rollout restart` does, with what waits to go into its template, and waits until it is
back."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from egress_server.domain.model.errors import PermanentError, TransientError
from egress_server.domain.model.status import UNSUPPORTED
from egress_server.targets.kubernetes.api.client import ApiClient, Object
from egress_server.targets.kubernetes.api.errors import CONFLICT, ApiError
from egress_server.targets.kubernetes.api.kinds import DAEMON_SET
from egress_server.targets.kubernetes.interception.scoped_rules import ScopedRules, narrowest
from egress_server.targets.kubernetes.interception.templates import TEMPLATED, PodTemplate, change_of, merge

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
