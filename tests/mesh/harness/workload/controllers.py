"""Replaces the controllers of Deployments, StatefulSets and DaemonSets: a changed template brings new pods.

Pods are created by way of the API server, so that admission sees each of them. A Deployment's new
pods come before its old ones go; the other two replace a pod in its place. There is one node.
"""

import hashlib
import json
from collections.abc import Callable

from tests.mesh.harness.cluster.api import Api, Object, path_of

OWNERS = ("Deployment", "StatefulSet", "DaemonSet")
_NODE = "node-0"


def is_ready(pod: Object) -> bool:
    """Whether a pod says that it is ready."""
    conditions = pod.get("status", {}).get("conditions", ())
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


class Controllers:
    """One for each mesh."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def reconcile(self) -> None:
        """Bring the pods of all owners one step nearer to their templates."""
        for kind in OWNERS:
            for owner in self._api.items(path_of(kind)):
                if "deletionTimestamp" not in owner["metadata"]:
                    owner["kind"] = kind
                    (self._deployment if kind == "Deployment" else self._in_place)(owner)
        self._collect_garbage()

    def _deployment(self, owner: Object) -> None:
        space, name = owner["metadata"]["namespace"], owner["metadata"]["name"]
        sets = [s for s in self._api.items(path_of("ReplicaSet", space)) if _owned_by(s, owner)]
        digest = _digest(owner)
        current = next((s for s in sets if s["metadata"]["name"] == f"{name}-{digest}"), None)
        if owner["spec"].get("paused"):
            return
        wanted = owner["spec"]["replicas"]
        if current is None:
            current = self._api.create(_replica_set(owner, digest))
        pods = self._pods(space)
        new = [pod for pod in pods if _owned_by(pod, current)]
        old = [pod for pod in pods if any(_owned_by(pod, s) for s in sets if s is not current)]
        self._scale(
            new, wanted, lambda: self._create_pod(current, "ReplicaSet", digest, f"{current['metadata']['name']}-")
        )
        if sum(map(is_ready, new)) >= wanted:
            for pod in old:
                self._delete(pod)
        for replica_set in (*sets, current):
            is_current = replica_set["metadata"]["name"] == current["metadata"]["name"]
            self._scale_set(replica_set, wanted if is_current else 0, len(new) if is_current else len(old))
        self._set_status(owner, _rolling_status(owner, new, old))

    def _in_place(self, owner: Object) -> None:
        kind, meta = owner["kind"], owner["metadata"]
        digest = _digest(owner)
        wanted = owner["spec"]["replicas"] if kind == "StatefulSet" else 1
        pods = [pod for pod in self._pods(meta["namespace"]) if _owned_by(pod, owner)]
        old = [pod for pod in pods if pod["metadata"]["labels"]["controller-revision-hash"] != digest]
        strategy = owner["spec"].get("updateStrategy", {}).get("type", "RollingUpdate")
        if old and strategy == "RollingUpdate" and all(map(is_ready, pods)):
            self._delete(old[-1])
            pods.remove(old[-1])
        taken = {pod["metadata"]["name"] for pod in pods}
        for number in range(wanted):
            name = f"{meta['name']}-{number}"
            if name not in taken and all(map(is_ready, pods)):
                pods.append(self._create_pod(owner, kind, digest, "", name))
        new = [pod for pod in pods if pod["metadata"]["labels"]["controller-revision-hash"] == digest]
        status = _stateful_status if kind == "StatefulSet" else _daemon_status
        self._set_status(owner, status(owner, digest, new, pods))

    def _pods(self, namespace: str) -> list[Object]:
        return [pod for pod in self._api.items(path_of("Pod", namespace)) if "deletionTimestamp" not in pod["metadata"]]

    def _scale(self, pods: list[Object], wanted: int, create: Callable[[], Object]) -> None:
        pods.extend(create() for _ in range(wanted - len(pods)))
        for pod in pods[wanted:]:
            self._delete(pod)
        del pods[wanted:]

    def _create_pod(self, parent: Object, kind: str, digest: str, prefix: str, name: str = "") -> Object:
        template = parent["spec"]["template"]
        label = "pod-template-hash" if kind == "ReplicaSet" else "controller-revision-hash"
        meta = {
            **template["metadata"],
            "namespace": parent["metadata"]["namespace"],
            "labels": {**template["metadata"].get("labels", {}), label: digest},
            "ownerReferences": [_reference(parent, kind)],
            **({"name": name} if name else {"generateName": prefix}),
        }
        meta.pop("creationTimestamp", None)
        # What the admission plugin ServiceAccount would fill in; no controller here creates the accounts that it needs.
        spec = {"serviceAccountName": "default", **template["spec"], "nodeName": _NODE}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}
        return self._api.create(pod)

    def _delete(self, pod: Object) -> None:
        self._api.delete(path_of("Pod", pod["metadata"]["namespace"], pod["metadata"]["name"]), grace=0)

    def _scale_set(self, live: Object, replicas: int, pods: int) -> None:
        live["kind"] = "ReplicaSet"
        if live["spec"]["replicas"] != replicas:
            where = path_of("ReplicaSet", live["metadata"]["namespace"], live["metadata"]["name"])
            self._api.patch(where, {"spec": {"replicas": replicas}})
        self._set_status(live, {"replicas": pods, "readyReplicas": min(pods, replicas)})

    def _set_status(self, owner: Object, status: Object) -> None:
        """Write only what differs, so that watches are not triggered without need."""
        if any(owner.get("status", {}).get(key, 0) != value for key, value in status.items()):
            where = path_of(owner["kind"], owner["metadata"]["namespace"], owner["metadata"]["name"])
            self._api.patch(where, {"status": status}, subresource="status")

    def _collect_garbage(self) -> None:
        """Pods and ReplicaSets whose owner is gone go too."""
        alive = {o["metadata"]["uid"] for kind in (*OWNERS, "ReplicaSet") for o in self._api.items(path_of(kind))}
        for kind in ("ReplicaSet", "Pod"):
            for child in self._api.items(path_of(kind)):
                owners = child["metadata"].get("ownerReferences", ())
                if owners and not any(reference["uid"] in alive for reference in owners):
                    where = path_of(kind, child["metadata"]["namespace"], child["metadata"]["name"])
                    self._api.delete(where, grace=0)


def _digest(owner: Object) -> str:
    return hashlib.sha256(json.dumps(owner["spec"]["template"], sort_keys=True).encode()).hexdigest()[:10]


def _reference(owner: Object, kind: str) -> Object:
    meta = owner["metadata"]
    return {"apiVersion": "apps/v1", "kind": kind, "name": meta["name"], "uid": meta["uid"], "controller": True}


def _owned_by(child: Object, owner: Object) -> bool:
    references = child["metadata"].get("ownerReferences", ())
    return any(reference["uid"] == owner["metadata"]["uid"] for reference in references)


def _replica_set(owner: Object, digest: str) -> Object:
    meta, spec = owner["metadata"], owner["spec"]
    label = {"pod-template-hash": digest}
    template = json.loads(json.dumps(spec["template"]))
    template["metadata"]["labels"] = {**template["metadata"].get("labels", {}), **label}
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"{meta['name']}-{digest}",
            "namespace": meta["namespace"],
            "labels": template["metadata"]["labels"],
            "ownerReferences": [_reference(owner, "Deployment")],
        },
        "spec": {
            "replicas": spec["replicas"],
            "selector": {"matchLabels": {**spec["selector"]["matchLabels"], **label}},
            "template": template,
        },
    }


def _rolling_status(owner: Object, new: list[Object], old: list[Object]) -> Object:
    ready = sum(map(is_ready, (*new, *old)))
    return {
        "observedGeneration": owner["metadata"]["generation"],
        "replicas": len(new) + len(old),
        "updatedReplicas": len(new),
        "readyReplicas": ready,
        "availableReplicas": ready,
        "unavailableReplicas": len(new) + len(old) - ready,
    }


def _stateful_status(owner: Object, digest: str, new: list[Object], pods: list[Object]) -> Object:
    ready = sum(map(is_ready, pods))
    revision = f"{owner['metadata']['name']}-{digest}"
    done = len(new) == len(pods) and ready == len(pods)
    return {
        "observedGeneration": owner["metadata"]["generation"],
        "replicas": len(pods),
        "updatedReplicas": len(new),
        "readyReplicas": ready,
        "availableReplicas": ready,
        "updateRevision": revision,
        "currentRevision": revision if done else owner.get("status", {}).get("currentRevision", revision),
    }


def _daemon_status(owner: Object, digest: str, new: list[Object], pods: list[Object]) -> Object:
    ready = sum(map(is_ready, pods))
    return {
        "observedGeneration": owner["metadata"]["generation"],
        "desiredNumberScheduled": 1,
        "currentNumberScheduled": len(pods),
        "numberMisscheduled": 0,
        "updatedNumberScheduled": len(new),
        "numberReady": ready,
        "numberAvailable": ready,
        "numberUnavailable": 1 - ready,
    }
