"""One mesh: an API server, Istio by its own charts, and a running istiod that admits pods and policy.

What differs from a real installation, and why:
- `enableAutoMtls: false` and a PeerAuthentication DISABLE: no pilot-agent hands certificates to
  Envoy, which would wait for them forever and open no listener.
- `telemetry.enabled=false` and two settings of istiod: without them it sends filters that only
  Istio's own build of Envoy has.
- the webhooks name istiod by URL: nothing here routes Services for the API server. istiod writes
  their caBundle itself, as always.
"""

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.mesh.harness.cluster.addresses import ServiceRange
from tests.mesh.harness.cluster.api import Api, Object
from tests.mesh.harness.cluster.binaries import ISTIO_VERSION, Binaries
from tests.mesh.harness.cluster.control_plane import ApiServer
from tests.mesh.harness.cluster.saved_state import SavedState
from tests.mesh.harness.run.run import Child, Run, Word, command, eventually
from tests.mesh.harness.workload.kubelet import Kubelet
from tests.mesh.harness.workload.workload import Workload
from tests.mesh.harness.world.world import World
from tests.support.egressd import free_port

_BASE = Path(__file__).parent / "base.yaml"


class Mesh:
    """A mesh of a run. `index` separates its addresses from those of other meshes; `istiod` adds to the environment of
    istiod."""

    def __init__(self, run: Run, binaries: Binaries, index: int, istiod: Mapping[str, str] | None = None) -> None:
        self.name = f"c{index}"
        self.run = run
        self.binaries = binaries
        self.folder = run.make_folder(self.name)
        self.services = ServiceRange(f"10.{200 + index}.0.0/16", f"fd00:{200 + index}::/108")
        self.server = ApiServer(run, binaries, run.make_folder(self.name, "api"), self.services)
        self.world = World(run, run.make_folder(self.name, "world"), index, self.services)
        self.workloads: list[Workload] = []
        self.istiod_socket = self.folder / "istiod.sock"
        self._ports = {name: free_port() for name in ("http", "grpc", "secure_grpc", "https", "monitoring")}
        self._istiod: Child | None = None
        self._istiod_settings = dict(istiod or {})
        self._opened = contextlib.ExitStack()

    def start(self) -> None:
        """Return when istiod serves and its webhooks are in force."""
        with ThreadPoolExecutor() as side:
            world = side.submit(self.world.start)
            self.server.start()
            self.helm("install", "istio-base", "base", {"base.validationURL": f"{self._https}/validate"})
            self.helm("install", "istiod", "istiod", self.istiod_values)
            self.start_istiod()
            self.apply(_BASE.read_text())
            world.result()
        self._await_webhooks()
        self.kubelet = Kubelet(self.server.api(), self.world)
        self._opened.callback(self.kubelet.stop)
        self.kubelet.start()

    def stop(self) -> None:
        """Stops what runs in this process; the run removes the rest."""
        self._opened.close()

    @property
    def kubeconfig(self) -> Path:
        """With all rights."""
        return self.server.kubeconfig()

    @property
    def istiod_values(self) -> dict[str, str]:
        """The values for `helm install istiod`."""
        return {
            "meshConfig.enableAutoMtls": "false",
            "telemetry.enabled": "false",
            "global.multiCluster.clusterName": self.name,
            "global.hub": "docker.io/istio",
            "global.tag": ISTIO_VERSION,
            "istiodRemote.injectionURL": f"{self._https}/inject",
            "base.validationURL": f"{self._https}/validate",
        }

    @property
    def _https(self) -> str:
        return f"https://127.0.0.1:{self._ports['https']}"

    def api(self) -> Api:
        """A client of the API server with all rights; close it, and use one a thread."""
        return self.server.api()

    def saved_state(self) -> SavedState:
        """What the API server holds now."""
        with self.api() as api:
            return SavedState.of(api)

    def restore(self, saved_state: SavedState) -> None:
        """Restores the API server to this state."""
        with self.api() as api:
            saved_state.restore(api)

    def workload(
        self,
        name: str,
        namespace: str = "default",
        *,
        labels: Mapping[str, str] | None = None,
        annotations: Mapping[str, str] | None = None,
    ) -> Workload:
        """Create a Deployment with one pod that runs, meshed if its namespace is, and wait until it runs."""
        workload = Workload(self, name, namespace, labels or {}, annotations or {})
        self.workloads.append(workload)
        workload.start()
        return workload

    def kubectl(self, *words: str, stdin: str = "") -> str:
        """Run kubectl as the administrator; returns its output."""
        return command(self.binaries.kubectl, "--kubeconfig", self.kubeconfig, *words, stdin=stdin)

    def apply(self, yaml_text: str) -> None:
        """`kubectl apply`."""
        self.kubectl("apply", "-f", "-", stdin=yaml_text)

    def put(self, *objects: Object) -> None:
        """`kubectl apply` of objects."""
        self.apply(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))

    def namespace(self, name: str) -> None:
        """A namespace whose pods are injected."""
        meta = {"name": name, "labels": {"istio-injection": "enabled"}}
        self.put({"apiVersion": "v1", "kind": "Namespace", "metadata": meta})

    def get(self, *words: str) -> Object:
        """`kubectl get WORDS -o json`."""
        found: Object = json.loads(self.kubectl("get", *words, "-o", "json"))
        return found

    def helm(self, verb: str, release: str, chart: str, values: Mapping[str, str]) -> None:
        """`helm install` or `upgrade` of one of Istio's charts."""
        settings: list[Word] = [word for name, value in values.items() for word in ("--set", f"{name}={value}")]
        where: list[Word] = ["--namespace", "istio-system", "--create-namespace", "--kubeconfig", self.kubeconfig]
        environment = {"HOME": str(self.folder), "PATH": "/usr/bin:/bin"}
        command(self.binaries.helm, verb, release, self.binaries.chart(chart), *where, *settings, env=environment)

    def mesh_config(self) -> dict[str, Any]:
        """MeshConfig as the ConfigMap holds it."""
        data = self.get("configmap", "istio", "-n", "istio-system")["data"]
        config: dict[str, Any] = yaml.safe_load(data["mesh"])
        return config

    def set_mesh_config(self, **settings: Any) -> None:
        """Change top-level fields of MeshConfig, as with kubectl edit; None removes one."""
        config = {key: value for key, value in {**self.mesh_config(), **settings}.items() if value is not None}
        patch = json.dumps({"data": {"mesh": yaml.safe_dump(config)}})
        self.kubectl("patch", "configmap", "istio", "-n", "istio-system", "--type=merge", "-p", patch)

    def set_injector_values(self, **settings: str) -> None:
        """Change settings of `global.proxy` in the injector's values, as with kubectl edit."""
        data = self.get("configmap", "istio-sidecar-injector", "-n", "istio-system")["data"]
        values = json.loads(data["values"])
        values["global"]["proxy"].update(settings)
        patch = json.dumps({"data": {"values": json.dumps(values, indent=2)}})
        where = ("configmap", "istio-sidecar-injector", "-n", "istio-system")
        self.kubectl("patch", *where, "--type=merge", "-p", patch)

    def start_istiod(self) -> None:
        """Start istiod and its endpoint for sidecars, which can't reach the loopback of this machine."""
        address = {name: f"127.0.0.1:{port}" for name, port in self._ports.items()}
        argv: list[Word] = [
            *(self.binaries.pilot_discovery, "discovery", "--kubeconfig", self.kubeconfig, "--ctrlz_port", "0"),
            *("--httpAddr", address["http"], "--httpsAddr", address["https"]),
            *("--grpcAddr", address["grpc"], "--secureGRPCAddr", address["secure_grpc"]),
            *("--monitoringAddr", address["monitoring"]),
        ]
        environment = {
            "POD_NAMESPACE": "istio-system",
            "POD_NAME": "istiod-0",
            "REVISION": "default",
            "CLUSTER_ID": self.name,
            "PILOT_CERT_PROVIDER": "istiod",
            "PILOT_ENABLE_METADATA_EXCHANGE": "false",
            "PILOT_ENABLE_ALPN_FILTER": "false",
            "ISTIOD_CUSTOM_HOST": "127.0.0.1",  # so that its certificate holds for the webhooks' URLs
            **self._istiod_settings,
        }
        self._istiod = self.run.spawn("istiod", argv, self.folder, environment)
        if not self.istiod_socket.exists():
            door = f"UNIX-LISTEN:{self.istiod_socket},fork,mode=666,backlog=128"
            self.run.spawn("socat", ["socat", door, f"TCP:{address['grpc']}"], self.folder)
        self._istiod.wait_until(self._istiod_ready)

    @property
    def istiod_address(self) -> str:
        """Where istiod serves configuration in plaintext, from outside the workloads."""
        return f"127.0.0.1:{self._ports['grpc']}"

    @property
    def istiod_log(self) -> str:
        """The end of what istiod has logged."""
        return self._istiod.tail() if self._istiod else ""

    def stop_istiod(self) -> None:
        """Stop istiod: sidecars keep their configuration."""
        assert self._istiod is not None
        self._istiod.kill()

    def istiod_debug(self, path: str) -> str:
        """A debug page of istiod, such as `/debug/syncz`."""
        return httpx.get(f"http://127.0.0.1:{self._ports['http']}{path}", trust_env=False).text

    def _istiod_ready(self) -> bool:
        answer = httpx.get(f"http://127.0.0.1:{self._ports['http']}/ready", trust_env=False)
        return answer.is_success and self.istiod_socket.exists()

    def _await_webhooks(self) -> None:
        """istiod writes its CA into them, and makes the validating ones strict, once it serves."""
        prefix = "/apis/admissionregistration.k8s.io/v1"

        def in_force(api: Api) -> bool:
            mutating = api.items(f"{prefix}/mutatingwebhookconfigurations")
            validating = api.items(f"{prefix}/validatingwebhookconfigurations")
            hooks = [hook for item in (*mutating, *validating) for hook in item["webhooks"]]
            return all(h["clientConfig"].get("caBundle") and h["failurePolicy"] == "Fail" for h in hooks)

        with self.api() as api:
            eventually(lambda: in_force(api), "istiod's webhooks")


@contextlib.contextmanager
def running_meshes(run: Run, binaries: Binaries, indexes: Sequence[int]) -> Iterator[list[Mesh]]:
    """Meshes that start side by side and share nothing."""
    meshes = [Mesh(run, binaries, index) for index in indexes]
    try:
        with ThreadPoolExecutor(len(meshes)) as pool:
            list(pool.map(Mesh.start, meshes))
        yield meshes
    finally:
        for mesh in meshes:
            mesh.stop()
