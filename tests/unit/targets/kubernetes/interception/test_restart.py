"""Restarting a workload: the requests, and when it counts as ready."""

# ruff: noqa: ARG002 - the double takes what the client does

from typing import Any, cast

import pytest

from egress_server.domain.model.errors import PermanentError
from egress_server.targets.kubernetes.api.client import ApiClient, Object
from egress_server.targets.kubernetes.api.kinds import ApiKind
from egress_server.targets.kubernetes.interception.admission import ScopedRules
from egress_server.targets.kubernetes.interception.pods import INCLUDE_RANGES, VALUE_BY_ANNOTATION
from egress_server.targets.kubernetes.interception.templates import BEFORE, restart


class Server:
    """Returns one state after the other; the last one stays."""

    def __init__(
        self, *states: dict[str, Any], kind: str = "Deployment", annotations: dict[str, str] | None = None
    ) -> None:
        self.states = list(states)
        self.kind = kind
        self.annotations = annotations
        self.patches: list[tuple[str, str, str, Object]] = []

    async def merge(self, kind: ApiKind, namespace: str, name: str, change: Object) -> Object:
        """Records the patch."""
        self.patches.append((kind.name, namespace, name, change))
        return self._state()

    async def find(self, kind: ApiKind, namespace: str, name: str) -> Object | None:
        """The next state."""
        return self._state()

    def _state(self) -> Object:
        status = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        metadata = {"generation": 2, "namespace": "shop", "name": "web", "resourceVersion": "7"}
        template = {"metadata": {"labels": {"app": "web"}, "annotations": self.annotations}}
        return {
            "kind": self.kind,
            "metadata": metadata,
            "spec": {"replicas": 2, "template": template},
            "status": status,
        }


OLD = {"observedGeneration": 1, "updatedReplicas": 2, "availableReplicas": 2, "replicas": 2}
HALF = {"observedGeneration": 2, "updatedReplicas": 1, "availableReplicas": 2, "replicas": 3}
LEAVING = {"observedGeneration": 2, "updatedReplicas": 2, "availableReplicas": 2, "replicas": 3}
STARTING = {"observedGeneration": 2, "updatedReplicas": 2, "availableReplicas": 1, "replicas": 2}
BACK = {"observedGeneration": 2, "updatedReplicas": 2, "availableReplicas": 2, "replicas": 2}


async def test_a_restart_changes_the_template_and_waits_for_the_new_pods() -> None:
    """As `kubectl rollout restart` does; it waits through every state before the last."""
    server = Server(BACK, OLD, HALF, LEAVING, STARTING, BACK)
    await restart(cast(ApiClient, server), "Deployment/shop/web", (), 10.0)
    [(kind, namespace, name, change)] = server.patches
    assert (kind, namespace, name) == ("Deployment", "shop", "web")
    assert change["spec"]["template"]["metadata"]["annotations"].keys() == {"kubectl.kubernetes.io/restartedAt"}
    assert change["metadata"]["resourceVersion"] == "7"
    assert server.states == [BACK]


@pytest.mark.parametrize(
    ("state", "why"),
    [
        (OLD, "has not observed the change"),
        (HALF, "1 of 2 pods are new"),
        (LEAVING, "1 old pods"),
        (STARTING, "1 of 2 pods are available"),
    ],
)
async def test_a_workload_that_does_not_become_ready(state: dict[str, Any], why: str) -> None:
    """The error says what is missing."""
    with pytest.raises(PermanentError, match=why) as caught:
        await restart(cast(ApiClient, Server(state)), "StatefulSet/shop/db", (), 0.01)
    assert caught.value.reason == "NOT_BACK"


async def test_a_daemon_set_counts_its_nodes() -> None:
    """It has no replicas."""
    status = {"observedGeneration": 2, "desiredNumberScheduled": 3, "updatedNumberScheduled": 3, "numberAvailable": 3}
    await restart(cast(ApiClient, Server(status, kind="DaemonSet")), "DaemonSet/shop/node", (), 10.0)


async def test_a_bare_pod_is_not_restarted() -> None:
    """Nothing would recreate it."""
    with pytest.raises(PermanentError, match="delete it manually") as caught:
        await restart(cast(ApiClient, Server(BACK)), "Pod/shop/alone", (), 10.0)
    assert caught.value.reason == "UNSUPPORTED"


async def test_deferred_rules_go_into_the_template() -> None:
    """In the same patch as the timestamp: the narrowest rules for the template."""
    values = dict.fromkeys(VALUE_BY_ANNOTATION.values(), "")
    wide = ScopedRules("shop", {}, values)
    narrow = ScopedRules("shop", {"app": "web"}, {**values, "includeIPRanges": "10.0.0.0/8"})
    server = Server(BACK)
    await restart(cast(ApiClient, server), "Deployment/shop/web", (narrow, wide), 10.0)
    [(*_, change)] = server.patches
    written = change["spec"]["template"]["metadata"]["annotations"]
    assert written[INCLUDE_RANGES] == "10.0.0.0/8"
    assert written.keys() == {*VALUE_BY_ANNOTATION, BEFORE, "kubectl.kubernetes.io/restartedAt"}


async def test_a_workload_that_does_not_exist() -> None:
    """Nothing is written."""

    class Empty(Server):
        async def find(self, kind: ApiKind, namespace: str, name: str) -> Object | None:
            return None

    server = Empty(BACK)
    with pytest.raises(PermanentError, match="Deployment/shop/web does not exist"):
        await restart(cast(ApiClient, server), "Deployment/shop/web", (), 10.0)
    assert server.patches == []
