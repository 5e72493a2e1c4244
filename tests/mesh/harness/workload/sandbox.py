"""What a node gives to a pod: a network namespace, the iptables of its init container, and its sidecar.

It is kept while the pods of its Deployment come and go. Whatever the injector wrote into a new pod
holds for it, and a pod that was not injected gets neither iptables nor sidecar.
"""

import json
import re
import shutil
import stat
from pathlib import Path
from typing import Any

from egress_server.targets.local.envoy import envoy_binary
from tests.mesh.harness.cluster.api import Object
from tests.mesh.harness.cluster.binaries import ISTIO_VERSION, Binaries
from tests.mesh.harness.run.run import Child, Run, Word, command
from tests.mesh.harness.world.world import World

_PROXY_UID = "1337"
_TABLES = ("iptables-nft", "iptables-legacy", "ip6tables-nft", "ip6tables-legacy")
_ADMIN_PORT = 15000
_DYNAMIC = _LISTENERS, _ROUTES, _CLUSTERS = "dynamic_listeners", "dynamic_route_configs", "dynamic_active_clusters"
# What the bootstrap of a default injected pod keeps; everything else it lacks, so no test may rely on it.
_STATS = (
    "reporter=",
    "cluster_manager",
    "listener_manager",
    "server",
    "cluster.xds-grpc",
    "wasm",
    "component",
    "istio",
)


class Sandbox:
    """A place where one pod at a time runs."""

    def __init__(self, run: Run, binaries: Binaries, folder: Path, world: World, istiod: Path, cluster: str) -> None:
        self._run = run
        self._binaries = binaries
        self._folder = folder
        self._istiod = istiod
        self._cluster = cluster
        self._attachment = world.attach()
        self._envoy: Child | None = None

    @property
    def namespace(self) -> str:
        """The network namespace; `ip netns exec` enters it."""
        return self._attachment.namespace

    @property
    def _inside(self) -> tuple[str, ...]:
        return "ip", "netns", "exec", self.namespace

    @property
    def address(self) -> str:
        """The pod's address."""
        return self._attachment.v4

    @property
    def addresses(self) -> tuple[str, str]:
        """The pod's addresses of both families."""
        return self._attachment.v4, self._attachment.v6

    @property
    def log(self) -> str:
        """The end of Envoy's log."""
        return self._envoy.tail() if self._envoy else ""

    def run_pod(self, pod: Object) -> None:
        """Does for a new pod what kubelet would; returns when its sidecar is ready. The pod before is gone."""
        self.stop_pod()
        containers = {c["name"]: c for c in (*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"])}
        if "istio-proxy" not in containers:
            return
        (self._folder / "iptables.log").write_text(self._set_iptables(containers["istio-init"]["args"]))
        bootstrap = self._folder / "bootstrap.json"
        bootstrap.write_text(json.dumps(self._bootstrap(pod)))
        bootstrap.chmod(0o644)
        user = ["setpriv", f"--reuid={_PROXY_UID}", f"--regid={_PROXY_UID}", "--clear-groups"]
        argv: list[Word] = [readable_envoy(self._run), "-c", bootstrap, "--concurrency", "2"]
        argv += ["--disable-hot-restart", "--drain-time-s", "45", "--drain-strategy", "immediate"]
        self._envoy = self._run.spawn("envoy", [*self._inside, *user, *argv], self._folder)
        self._envoy.wait_until(lambda: self.admin("/ready") == "LIVE\n")

    def stop_pod(self) -> None:
        """End the sidecar and leave no rules, whichever back end wrote them: a new pod starts clean."""
        if self._envoy is not None:
            self._envoy.kill()
            self._envoy = None
        for family in _TABLES:
            for how in ("-F", "-X"):
                command(*self._inside, family, "-t", "nat", how)

    def admin(self, path: str) -> str:
        """A page of Envoy's admin interface."""
        url = f"http://127.0.0.1:{_ADMIN_PORT}{path}"
        return command(*self._inside, "curl", "-sS", "--noproxy", "*", url)

    def configuration(self) -> str:
        """Envoy's configuration by istiod, in a form that can be compared."""
        dump = json.loads(self.admin("/config_dump"))
        parts = {kind: [p for section in dump["configs"] for p in section.get(kind, ())] for kind in _DYNAMIC}
        # What drains takes no more connections; its routes stay until it is gone.
        listeners = [_timeless(part["active_state"]) for part in parts[_LISTENERS] if "active_state" in part]
        used = set(re.findall(r'"route_config_name": "([^"]+)"', "".join(listeners)))
        routes = [_timeless(part) for part in parts[_ROUTES] if part["route_config"]["name"] in used]
        return "\n".join(sorted([*listeners, *routes, *map(_timeless, parts[_CLUSTERS])]))

    def rules(self) -> list[str]:
        """The iptables in force, without counters and times."""
        saved = command(*self._inside, "iptables-legacy-save", "-t", "nat")
        return [line for line in saved.splitlines() if line.startswith("-A")]

    def _set_iptables(self, args: list[str]) -> str:
        return command(*self._inside, self._binaries.pilot_agent, *args)

    def _bootstrap(self, pod: Object) -> Object:
        meta = pod["metadata"]
        name, namespace = meta["name"], meta["namespace"]
        owner = meta["labels"].get("app", name)
        node = {
            "id": f"sidecar~{self.address}~{name}.{namespace}~{namespace}.svc.cluster.local",
            "cluster": f"{owner}.{namespace}",
            "metadata": {
                "ISTIO_VERSION": ISTIO_VERSION,
                "CLUSTER_ID": self._cluster,
                "NAMESPACE": namespace,
                "NAME": name,
                "WORKLOAD_NAME": owner,
                "LABELS": meta["labels"],
                "ANNOTATIONS": meta.get("annotations", {}),
                "INTERCEPTION_MODE": "REDIRECT",
                "INSTANCE_IPS": ",".join(self.addresses),
                "NODE_NAME": pod["spec"].get("nodeName", ""),
            },
        }
        return {**_BOOTSTRAP, "node": node, "static_resources": {"clusters": [_pipe_cluster(self._istiod)]}}


def _timeless(part: Object) -> str:
    """One resource without the time and number of its push."""
    return json.dumps({k: v for k, v in part.items() if k not in ("version_info", "last_updated")}, sort_keys=True)


def readable_envoy(run: Run) -> Path:
    """An Envoy that the proxy's user can run: the installed one if that user may read it, else a copy."""
    binary = envoy_binary().resolve()
    if all(folder.stat().st_mode & stat.S_IXOTH for folder in (binary, *binary.parents)):
        return binary
    copy = run.folder / "envoy"
    if not copy.exists():
        draft = run.folder / f"{copy.name}.draft"
        shutil.copyfile(binary, draft)
        draft.chmod(0o755)
        draft.rename(copy)
    return copy


def _pipe_cluster(istiod: Path) -> Object:
    http2: Object = {"explicit_http_config": {"http2_protocol_options": {}}}
    options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    endpoint = {"endpoint": {"address": {"pipe": {"path": str(istiod)}}}}
    return {
        "name": "xds-grpc",
        "alt_stat_name": "xds-grpc;",
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": "xds-grpc", "endpoints": [{"lb_endpoints": [endpoint]}]},
        "typed_extension_protocol_options": {options: {"@type": f"type.googleapis.com/{options}", **http2}},
    }


_ADS: dict[str, Any] = {"ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3"}
_BOOTSTRAP: dict[str, Any] = {
    "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": _ADMIN_PORT}}},
    "dynamic_resources": {
        "lds_config": _ADS,
        "cds_config": _ADS,
        "ads_config": {
            "api_type": "DELTA_GRPC",
            "set_node_on_first_message_only": True,
            "transport_api_version": "V3",
            "grpc_services": [{"envoy_grpc": {"cluster_name": "xds-grpc"}}],
        },
    },
    "stats_config": {"stats_matcher": {"inclusion_list": {"patterns": [{"prefix": prefix} for prefix in _STATS]}}},
}
