"""Restarting a workload: what is asked of the API server, and when it counts as back."""

# ruff: noqa: ARG002 - the double takes what the client does

from typing import Any, cast

import pytest

from egress_server.domain.errors import PermanentError
from egress_server.targets.kubernetes.client import Client, Object
from egress_server.targets.kubernetes.kinds import Kind
from egress_server.targets.kubernetes.restart import restart


class Server:
    """Answers with one state after the other; the last one stays."""

    def __init__(self, *states: dict[str, Any], kind: str = "Deployment") -> None:
        self.states = list(states)
        self.kind = kind
        self.patches: list[tuple[str, str, str, Object]] = []

    async def merge(self, kind: Kind, namespace: str, name: str, change: Object) -> Object:
        """Notes the patch."""
        self.patches.append((kind.name, namespace, name, change))
        return self._state()

    async def find(self, kind: Kind, namespace: str, name: str) -> Object | None:
        """The next state."""
        return self._state()

    def _state(self) -> Object:
        status = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        return {"kind": self.kind, "metadata": {"generation": 2}, "spec": {"replicas": 2}, "status": status}


OLD = {"observedGeneration": 1, "updatedReplicas": 2, "availableReplicas": 2, "replicas": 2}
HALF = {"observedGeneration": 2, "updatedReplicas": 1, "availableReplicas": 2, "replicas": 3}
LEAVING = {"observedGeneration": 2, "updatedReplicas": 2, "availableReplicas": 2, "replicas": 3}
STARTING = {"observedGeneration": 2, "updatedReplicas": 2, "availableReplicas": 1, "replicas": 2}
BACK = {"observedGeneration": 2, "updatedReplicas": 2, "availableReplicas": 2, "replicas": 2}


async def test_a_restart_changes_the_template_and_waits_for_the_new_pods() -> None:
    """As `kubectl rollout restart` does; every state before the last is waited out."""
    server = Server(OLD, HALF, LEAVING, STARTING, BACK)
    await restart(cast(Client, server), "Deployment/shop/web", 10.0)
    [(kind, namespace, name, change)] = server.patches
    assert (kind, namespace, name) == ("Deployment", "shop", "web")
    assert "kubectl.kubernetes.io/restartedAt" in change["spec"]["template"]["metadata"]["annotations"]
    assert server.states == [BACK]


@pytest.mark.parametrize(
    ("state", "why"),
    [
        (OLD, "has not seen the change"),
        (HALF, "1 of 2 pods are new"),
        (LEAVING, "1 old pods"),
        (STARTING, "1 of 2 pods are available"),
    ],
)
async def test_a_workload_that_does_not_come_back(state: dict[str, Any], why: str) -> None:
    """The error says what is missing."""
    with pytest.raises(PermanentError, match=why) as caught:
        await restart(cast(Client, Server(state)), "StatefulSet/shop/db", 0.01)
    assert caught.value.reason == "NOT_BACK"


async def test_a_daemon_set_counts_its_nodes() -> None:
    """It has no replicas."""
    status = {"observedGeneration": 2, "desiredNumberScheduled": 3, "updatedNumberScheduled": 3, "numberAvailable": 3}
    await restart(cast(Client, Server(status, kind="DaemonSet")), "DaemonSet/shop/node", 10.0)


async def test_a_bare_pod_is_not_restarted() -> None:
    """Nothing would create it again."""
    with pytest.raises(PermanentError, match="by hand") as caught:
        await restart(cast(Client, Server(BACK)), "Pod/shop/alone", 10.0)
    assert caught.value.reason == "UNSUPPORTED"
