"""Restarts a workload as `kubectl rollout restart` does, and waits until it is back."""

import asyncio
from datetime import UTC, datetime
from typing import Any

from egress_server.domain.errors import PermanentError
from egress_server.domain.rollout import UNSUPPORTED
from egress_server.targets.kubernetes.answers import Refusal
from egress_server.targets.kubernetes.client import Client, Object
from egress_server.targets.kubernetes.kinds import DAEMON_SET, DEPLOYMENT, STATEFUL_SET

NOT_BACK = "NOT_BACK"
_KINDS = {kind.name: kind for kind in (DEPLOYMENT, STATEFUL_SET, DAEMON_SET)}
_RESTARTED = "kubectl.kubernetes.io/restartedAt"
_POLL_SECONDS = 0.5


async def restart(client: Client, workload: str, patience: float) -> None:
    """Restarts KIND/NAMESPACE/NAME and returns once all its pods are new and available.

    Raises PermanentError NOT_BACK after `patience` seconds, NOT_FOUND where there is none, UNSUPPORTED where nothing
    would create its pods again; Refusal, TransientError.
    """
    kind_name, namespace, name = workload.split("/")
    kind = _KINDS.get(kind_name)
    if kind is None:
        raise PermanentError(UNSUPPORTED, f"{workload}: only {', '.join(_KINDS)} bring new pods; delete it by hand")
    stamp = {"metadata": {"annotations": {_RESTARTED: datetime.now(UTC).isoformat(timespec="seconds")}}}
    try:
        obj = await client.merge(kind, namespace, name, {"spec": {"template": stamp}})
        async with asyncio.timeout(patience):
            while waits_for := _waits_for(obj):
                await asyncio.sleep(_POLL_SECONDS)
                obj = await client.find(kind, namespace, name) or {}
    except TimeoutError:
        raise PermanentError(NOT_BACK, f"{workload} is not back after {patience:g} s: {waits_for}") from None
    except Refusal as refusal:
        if refusal.missing:
            raise PermanentError("NOT_FOUND", f"there is no {workload}") from refusal
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
