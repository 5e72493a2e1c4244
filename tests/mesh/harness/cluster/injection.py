"""What a new pod would get from the injector, asked by a server-side dry run."""

from collections.abc import Mapping

from tests.mesh.harness.cluster.api import Api, Object


def try_pod(api: Api, annotations: Mapping[str, str] | None = None, *, namespace: str = "default") -> Object:
    """The pod as admission would change it; it is not created."""
    meta = {"name": "try", "namespace": namespace, "annotations": dict(annotations or {})}
    spec = {"serviceAccountName": "default", "containers": [{"name": "app", "image": "x"}]}
    return api.create({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}, dry_run=True)


def init_arguments(pod: Object) -> list[str]:
    """The arguments of its istio-init."""
    args: list[str] = next(c for c in pod["spec"]["initContainers"] if c["name"] == "istio-init")["args"]
    return args


def included(pod: Object) -> str:
    """The ranges that its iptables would include."""
    arguments = init_arguments(pod)
    return arguments[arguments.index("-i") + 1]
