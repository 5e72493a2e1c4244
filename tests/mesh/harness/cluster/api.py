"""A small client of one API server, for the harness itself."""

import json
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import httpx
import yaml

Object = dict[str, Any]
_KINDS = {
    "Namespace": "/api/v1/namespaces",
    "Pod": "/api/v1/namespaces/{}/pods",
    "Service": "/api/v1/namespaces/{}/services",
    "ConfigMap": "/api/v1/namespaces/{}/configmaps",
    "EndpointSlice": "/apis/discovery.k8s.io/v1/namespaces/{}/endpointslices",
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
    "StatefulSet": "/apis/apps/v1/namespaces/{}/statefulsets",
    "DaemonSet": "/apis/apps/v1/namespaces/{}/daemonsets",
    "ReplicaSet": "/apis/apps/v1/namespaces/{}/replicasets",
    "ServiceEntry": "/apis/networking.istio.io/v1/namespaces/{}/serviceentries",
    "VirtualService": "/apis/networking.istio.io/v1/namespaces/{}/virtualservices",
    "DestinationRule": "/apis/networking.istio.io/v1/namespaces/{}/destinationrules",
    "Sidecar": "/apis/networking.istio.io/v1/namespaces/{}/sidecars",
    "WorkloadEntry": "/apis/networking.istio.io/v1/namespaces/{}/workloadentries",
}
MERGE = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"
_TRIES, _PAUSE_SECONDS = 50, 0.2


class _Patient(httpx.HTTPTransport):
    """Retries when the API server asks for it, as it does for kinds that are new."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """See httpx."""
        answer = super().handle_request(request)
        for _ in range(_TRIES):
            if answer.status_code != httpx.codes.TOO_MANY_REQUESTS:
                break
            answer.close()
            time.sleep(_PAUSE_SECONDS)
            answer = super().handle_request(request)
        return answer


class Api:
    """Speaks JSON to the API server of a kubeconfig that this harness wrote."""

    def __init__(self, kubeconfig: Path, authority: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        self._http = httpx.Client(
            base_url=config["clusters"][0]["cluster"]["server"],
            headers={"authorization": f"Bearer {config['users'][0]['user']['token']}"},
            transport=_Patient(verify=ssl.create_default_context(cafile=str(authority)), trust_env=False),
            timeout=30,
            trust_env=False,
        )

    def __enter__(self) -> Self:
        """It is open already."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Closes its connections."""
        self._http.close()

    def text(self, path: str) -> str:
        """GET something other than an object."""
        return self._http.get(path).raise_for_status().text

    def get(self, path: str, *, seconds: float = 30) -> Object:
        """GET an object or a list."""
        return self._answer(self._http.get(path, timeout=seconds))

    def find(self, path: str) -> Object | None:
        """GET an object, None if it does not exist."""
        answer = self._http.get(path)
        return None if answer.status_code == httpx.codes.NOT_FOUND else self._answer(answer)

    def items(self, path: str, **query: str) -> list[Object]:
        """The objects of a list."""
        items: list[Object] = self._answer(self._http.get(path, params=query))["items"]
        return items

    def post(self, path: str, made: Object) -> Object:
        """POST an object to its list."""
        return self._answer(self._http.post(path, json=made))

    def put(self, path: str, whole: Object) -> Object:
        """Replace an object."""
        return self._answer(self._http.put(path, json=whole))

    def create(self, made: Object, *, namespace: str = "", dry_run: bool = False) -> Object:
        """POST an object; returns it as stored."""
        space = namespace or made["metadata"].get("namespace", "default")
        query = {"dryRun": "All"} if dry_run else {}
        return self._answer(self._http.post(path_of(made["kind"], space), json=made, params=query))

    def patch(self, path: str, change: Object, *, subresource: str = "") -> Object:
        """Merge a change into an object."""
        where = f"{path}/{subresource}" if subresource else path
        content = json.dumps(change)
        return self._answer(self._http.patch(where, content=content, headers={"content-type": MERGE}))

    def apply(self, path: str, obj: Object, *, manager: str) -> Object:
        """Apply an object on the server's side, as the field manager of that name."""
        headers = {"content-type": APPLY}
        return self._answer(
            self._http.patch(path, content=json.dumps(obj), headers=headers, params={"fieldManager": manager})
        )

    def delete(self, path: str, *, grace: int | None = None) -> None:
        """DELETE an object; it may be gone already."""
        query = {} if grace is None else {"gracePeriodSeconds": str(grace)}
        answer = self._http.delete(path, params=query)
        if answer.status_code != httpx.codes.NOT_FOUND:
            self._answer(answer)

    def request(self, method: str, path: str, body: Object | None = None, **query: str) -> Object:
        """Any request; a PATCH is a merge patch."""
        headers = {"content-type": MERGE if method == "PATCH" else "application/json"}
        content = None if body is None else json.dumps(body)
        return self._answer(self._http.request(method, path, content=content, headers=headers, params=query))

    def watch(self, path: str, version: str) -> Iterator[Object]:
        """Events of a list after a resource version, until the server ends the stream."""
        query = {"watch": "1", "resourceVersion": version}
        with self._http.stream("GET", path, params=query, timeout=httpx.Timeout(30, read=None)) as stream:
            for line in stream.raise_for_status().iter_lines():
                yield json.loads(line)

    @staticmethod
    def _answer(answer: httpx.Response) -> Object:
        if answer.is_error:
            raise RuntimeError(f"{answer.request.method} {answer.request.url.path}: {answer.text}")
        content: Object = answer.json()
        return content


def path_of(kind: str, namespace: str = "", name: str = "") -> str:
    """The path of a kind's list in a namespace or in all of them, or of one object."""
    path = _KINDS[kind]
    path = path.format(namespace) if namespace else path.replace("namespaces/{}/", "")
    return f"{path}/{name}" if name else path
