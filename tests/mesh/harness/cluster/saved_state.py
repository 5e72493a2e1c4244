"""The objects of an API server, without what it generates itself: to compare before and after, and to restore.

mesh-egress promises to leave everything foreign as it was, and tests share meshes: both need to
know what an object says, whatever its resource version.
"""

import copy
from dataclasses import dataclass
from typing import Any

from tests.mesh.harness.cluster.api import Api, Object

_LISTS = (
    "/api/v1/namespaces",
    "/api/v1/configmaps",
    "/api/v1/services",
    "/apis/apps/v1/deployments",
    "/apis/apps/v1/statefulsets",
    "/apis/apps/v1/daemonsets",
    "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations",
    "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations",
    "/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicybindings",
    "/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicies",
    "/apis/networking.istio.io/v1/serviceentries",
    "/apis/networking.istio.io/v1/virtualservices",
    "/apis/networking.istio.io/v1/destinationrules",
    "/apis/networking.istio.io/v1/sidecars",
    "/apis/networking.istio.io/v1/gateways",
    "/apis/networking.istio.io/v1/workloadentries",
    "/apis/networking.istio.io/v1/workloadgroups",
    "/apis/networking.istio.io/v1alpha3/envoyfilters",
    "/apis/networking.istio.io/v1beta1/proxyconfigs",
    "/apis/security.istio.io/v1/peerauthentications",
    "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "/apis/rbac.authorization.k8s.io/v1/roles",
    "/apis/rbac.authorization.k8s.io/v1/rolebindings",
)
_BEATS = "control-plane.alpha.kubernetes.io/leader"
"""Leaders renew this annotation every few seconds."""

Key = tuple[str, str, str]
"""List, namespace, name."""


@dataclass(frozen=True, slots=True)
class SavedState:
    """Every object at one moment."""

    objects: dict[Key, Object]

    @classmethod
    def of(cls, api: Api) -> "SavedState":
        """What the API server holds now."""
        found = {}
        for path in _LISTS:
            for held in api.items(path):
                found[path, held["metadata"].get("namespace", ""), held["metadata"]["name"]] = held
        return cls(found)

    def content(self) -> dict[Key, Any]:
        """The content of each object: data, spec, labels, annotations and the like."""
        return {key: _said(held) for key, held in self.objects.items()}

    def differences(self, later: "SavedState") -> list[str]:
        """One line for each object that is new, gone or changed."""
        before, after = self.content(), later.content()
        lines = [f"new: {' '.join(key)}" for key in after if key not in before]
        lines += [f"gone: {' '.join(key)}" for key in before if key not in after]
        both = before.keys() & after.keys()
        lines += [f"changed: {' '.join(k)}: {before[k]} -> {after[k]}" for k in both if before[k] != after[k]]
        return sorted(lines)

    def restore(self, api: Api) -> None:
        """Restores the API server to this state."""
        now = SavedState.of(api)
        before, after = self.content(), now.content()
        for key in sorted(after.keys() - before.keys(), reverse=True):
            _remove(api, key)
        for key in before.keys() - after.keys():
            made = copy.deepcopy(self.objects[key])
            for field in ("uid", "resourceVersion", "creationTimestamp", "managedFields"):
                made["metadata"].pop(field, None)
            api.post(_list_path(key), made)
        for key in before.keys() & after.keys():
            if before[key] != after[key]:
                whole = copy.deepcopy(self.objects[key])
                whole["metadata"]["resourceVersion"] = now.objects[key]["metadata"]["resourceVersion"]
                api.put(_path(key), whole)


def _said(held: Object) -> Any:
    meta = held["metadata"]
    annotations = {name: text for name, text in (meta.get("annotations") or {}).items() if name != _BEATS}
    rest = {name: value for name, value in held.items() if name not in ("metadata", "status")}
    return {**rest, "labels": meta.get("labels") or {}, "annotations": annotations}


def _list_path(key: Key) -> str:
    path, namespace, _ = key
    if not namespace:
        return path
    group, _, kind = path.rpartition("/")
    return f"{group}/namespaces/{namespace}/{kind}"


def _path(key: Key) -> str:
    return f"{_list_path(key)}/{key[2]}"


def _remove(api: Api, key: Key) -> None:
    """No controller ends a namespace here: what it holds is removed as well, then nothing keeps it."""
    api.delete(_path(key))
    if key[0] == "/api/v1/namespaces" and (left := api.find(_path(key))):
        left["spec"]["finalizers"] = []
        api.put(f"{_path(key)}/finalize", left)
