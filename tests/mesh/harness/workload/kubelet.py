"""Replaces the kubelet that a test mesh lacks, and runs the controllers of controllers.py.

A pod is ready once its sandbox runs it, or immediately if it has none: such a pod exists as an
object only. Everything is looked at again whenever something changed, as level-triggered
controllers do.
"""

import threading
from typing import Protocol

from tests.mesh.harness.cluster.api import Api, Object, path_of
from tests.mesh.harness.workload.controllers import OWNERS, Controllers, is_ready
from tests.mesh.harness.world.world import World

_RETRY_SECONDS = 0.3
_NOW = "2026-01-01T00:00:00Z"


class Runtime(Protocol):
    """What runs a pod."""

    @property
    def addresses(self) -> tuple[str, str]:
        """The pod's addresses."""
        ...

    def run_pod(self, pod: Object) -> None:
        """Start it; returns when it is ready."""
        ...

    def stop_pod(self) -> None:
        """End what runs."""
        ...


class Kubelet:
    """One for each mesh."""

    def __init__(self, api: Api, world: World) -> None:
        self._api = api
        self._world = world
        self._controllers = Controllers(api)
        self._changed = threading.Event()
        self._stopping = threading.Event()
        self._runtimes: dict[tuple[str, str], Runtime] = {}
        self._running: set[tuple[str, str]] = set()
        self._stuck: set[tuple[str, str]] = set()
        self._worker = threading.Thread(target=self._work, daemon=True)
        self.problem = ""

    def start(self) -> None:
        """Starts."""
        for kind in (*OWNERS, "Pod"):
            threading.Thread(target=self._watch, args=(kind,), daemon=True).start()
        self._worker.start()

    def stop(self) -> None:
        """Stops; what exists stays as it is."""
        self._stopping.set()
        self._changed.set()
        self._worker.join(timeout=30)

    def give(self, namespace: str, owner: str, runtime: Runtime) -> None:
        """Run the pods of a Deployment, StatefulSet or DaemonSet in the sandbox."""
        self._runtimes[namespace, owner] = runtime

    def stick(self, namespace: str, owner: str) -> None:
        """From now on new pods of this owner never become ready."""
        self._stuck.add((namespace, owner))

    def unstick(self, namespace: str, owner: str) -> None:
        """Let them become ready."""
        self._stuck.discard((namespace, owner))
        self._changed.set()

    def _watch(self, kind: str) -> None:
        path = path_of(kind)
        while not self._stopping.is_set():
            try:
                version = self._api.get(path)["metadata"]["resourceVersion"]
                self._changed.set()
                for _ in self._api.watch(path, version):
                    self._changed.set()
            except Exception as error:  # noqa: BLE001 - the API server is down, as a test wants it
                self.problem = f"watching {kind}: {error}"
                self._stopping.wait(_RETRY_SECONDS)

    def _work(self) -> None:
        while not self._stopping.is_set():
            self._changed.wait()
            self._changed.clear()
            try:
                self._controllers.reconcile()
                self._run_pods()
            except Exception as error:  # noqa: BLE001 - it is tried again
                self.problem = f"{type(error).__name__}: {error}"
                self._stopping.wait(_RETRY_SECONDS)
                self._changed.set()

    def _run_pods(self) -> None:
        pods = self._api.items(path_of("Pod"))
        for gone in self._running - set(map(_owner, pods)):
            self._runtimes[gone].stop_pod()
            self._running.discard(gone)
        for pod in pods:
            meta = pod["metadata"]
            where = path_of("Pod", meta["namespace"], meta["name"])
            if "deletionTimestamp" in meta:
                self._api.delete(where, grace=0)
            elif not is_ready(pod) and (owner := _owner(pod)) not in self._stuck:
                self._api.patch(where, {"status": self._run(owner, pod)}, subresource="status")

    def _run(self, owner: tuple[str, str], pod: Object) -> Object:
        runtime = self._runtimes.get(owner)
        if runtime is None:
            return _status(pod, (self._world.unplugged_address(),))
        runtime.run_pod(pod)
        self._running.add(owner)
        return _status(pod, runtime.addresses)


def _owner(pod: Object) -> tuple[str, str]:
    """Namespace and name of the Deployment, StatefulSet or DaemonSet; of the pod itself if it has none."""
    meta = pod["metadata"]
    for reference in meta.get("ownerReferences", ()):
        name: str = reference["name"]
        return meta["namespace"], name.rpartition("-")[0] if reference["kind"] == "ReplicaSet" else name
    return meta["namespace"], meta["name"]


def _status(pod: Object, addresses: tuple[str, ...]) -> Object:
    return {
        "phase": "Running",
        "podIP": addresses[0],
        "podIPs": [{"ip": address} for address in addresses],
        "hostIP": "192.0.2.1",
        "startTime": _NOW,
        "conditions": [
            {"type": kind, "status": "True", "lastTransitionTime": _NOW}
            for kind in ("PodScheduled", "Initialized", "ContainersReady", "Ready")
        ],
        "initContainerStatuses": [_container(c, c.get("restartPolicy") == "Always") for c in _init_containers(pod)],
        "containerStatuses": [_container(container, True) for container in pod["spec"]["containers"]],
    }


def _init_containers(pod: Object) -> list[Object]:
    return pod["spec"].get("initContainers") or []


def _container(container: Object, stays: bool) -> Object:
    """A sidecar is an init container that stays."""
    ended = {"exitCode": 0, "reason": "Completed", "startedAt": _NOW, "finishedAt": _NOW}
    return {
        "name": container["name"],
        "image": container["image"],
        "imageID": "",
        "ready": True,
        "started": stays,
        "restartCount": 0,
        "state": {"running": {"startedAt": _NOW}} if stays else {"terminated": ended},
    }
