"""A meshed workload, seen by a test: a Deployment with one pod that really runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from tests.mesh.harness.cluster.api import Object, path_of
from tests.mesh.harness.run.run import NotReady, eventually
from tests.mesh.harness.workload.curl import Answer, curl_in
from tests.mesh.harness.workload.sandbox import Sandbox

if TYPE_CHECKING:
    from tests.mesh.harness.cluster.mesh import Mesh

ANSWER_SECONDS = 60.0
"""How long a change may take to be felt in a workload; never how long it takes."""


class Workload:
    """Runs curl in a network namespace of a pod."""

    def __init__(
        self, mesh: Mesh, name: str, namespace: str, labels: Mapping[str, str], annotations: Mapping[str, str]
    ) -> None:
        self.mesh = mesh
        self.name = name
        self.namespace = namespace
        self._labels = {"app": name, **labels}
        self._annotations = dict(annotations)
        folder = mesh.run.make_folder(mesh.name, f"{namespace}.{name}")
        self.sandbox = Sandbox(mesh.run, mesh.binaries, folder, mesh.world, mesh.istiod_socket, mesh.name)

    @property
    def netns(self) -> str:
        """The network namespace; `ip netns exec` enters it."""
        return self.sandbox.namespace

    def start(self) -> None:
        """Create the Deployment and wait until its pod runs."""
        self.mesh.kubelet.give(self.namespace, self.name, self.sandbox)
        deployment = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": self.name, "namespace": self.namespace, "labels": {"app": self.name}},
            "spec": {
                "replicas": 1,
                "selector": {"matchLabels": {"app": self.name}},
                "template": {
                    "metadata": {"labels": self._labels, "annotations": self._annotations},
                    "spec": {"containers": [{"name": "app", "image": "docker.io/library/curl:latest"}]},
                },
            },
        }
        with self.mesh.api() as api:
            api.create(deployment)
        self.await_ready()

    def pod(self) -> Object:
        """The pod that runs now."""
        return self._pods()[0]

    def restart(self) -> None:
        """`kubectl rollout restart`, and wait for the new pod."""
        self.mesh.kubectl("rollout", "restart", f"deployment/{self.name}", "-n", self.namespace)
        self.await_ready()

    def recreate(self) -> None:
        """Delete the pod and wait for its successor; the Deployment stays as it is."""
        before = self.pod()["metadata"]
        self.mesh.kubectl("delete", "pod", before["name"], "-n", self.namespace, "--wait=false")
        eventually(lambda: all(p["metadata"]["uid"] != before["uid"] for p in self._pods()), "the old pod gone")
        self.await_ready()

    def await_ready(self) -> None:
        """Wait until the Deployment's newest template is what runs."""
        eventually(self._settled, f"{self.namespace}/{self.name} ready")

    def curl(self, url: str, *words: str, head: bool = True) -> Answer:
        """`curl -I URL` inside the pod."""
        return curl_in(self.netns, url, *words, head=head)

    def https(self, host: str, *words: str, head: bool = True) -> Answer:
        """`curl -I https://HOST/` inside the pod, which trusts the world's authority."""
        return self.curl(f"https://{host}/", "--cacert", str(self.mesh.world.authority), *words, head=head)

    def until(self, ask: Callable[[], Answer], condition: Callable[[Answer], bool], what: str) -> Answer:
        """Repeats a request until the answer is as wanted; returns that answer."""
        answers: list[Answer] = []

        def attempt() -> bool:
            answers.append(ask())
            return condition(answers[-1])

        try:
            eventually(attempt, what, ANSWER_SECONDS)
        except NotReady:
            raise AssertionError(f"{what}: last answer {answers[-1]}") from None
        return answers[-1]

    def _settled(self) -> bool:
        with self.mesh.api() as api:
            live = api.get(path_of("Deployment", self.namespace, self.name))
        status = live.get("status", {})
        return bool(
            status.get("observedGeneration") == live["metadata"]["generation"]
            and status.get("updatedReplicas", 0) == status.get("readyReplicas", 0) == live["spec"]["replicas"]
            and len(self._pods()) == live["spec"]["replicas"]
        )

    def _pods(self) -> list[Object]:
        with self.mesh.api() as api:
            return api.items(path_of("Pod", self.namespace), labelSelector=f"app={self.name}")
