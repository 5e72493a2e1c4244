"""What is under test, run as its users run it: egressd, agents in workloads, egressctl, and a client of the SDK."""

import itertools
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from egress import Change, EgressClient, WaitChangeResponse
from tests.mesh.harness.cluster.mesh import Mesh
from tests.mesh.harness.run.run import Child, Run
from tests.mesh.harness.workload.workload import Workload
from tests.support.egressd import free_port, run_cli
from tests.support.waiting import eventually

_numbers = itertools.count()


class Egressd:
    """One egressd with all in one process, and the meshes that are registered with it by their names."""

    def __init__(self, run: Run, *words: str) -> None:
        self._run = run
        self._words = words
        self.folder = run.make_folder(f"egressd-{next(_numbers)}")
        self.socket = f"unix:{self.folder}/grpc"
        self.http = f"127.0.0.1:{free_port()}"
        self.client = EgressClient(self.socket)
        self._egressd: Child | None = None
        self._agents: list[Child] = []
        self._clusters: list[str] = []

    def __enter__(self) -> Self:
        """Start egressd."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of the clusters, as a user would who wants nothing left behind, and stop."""
        try:
            for cluster in list(self._clusters):
                self.deregister(cluster)
        finally:
            self.client.close()
            for agent in self._agents:
                agent.kill()
            self.stop()

    def start(self) -> None:
        """Start egressd, or start it again, over the same data."""
        self._egressd = self._spawn("egressd", "run", "--data-dir", str(self.folder / "data"), *self._words)
        self._egressd.wait_until(lambda: "egressd is ready" in self.log)

    def stop(self) -> None:
        """Stop egressd cleanly. Harmless if it does not run."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End egressd at once."""
        self._end(signal.SIGKILL)

    @property
    def log(self) -> str:
        """What egressd has said."""
        return (self.folder / "egressd.log").read_text()

    def ctl(self, *words: str, stdin: str = "", code: int = 0) -> "subprocess.CompletedProcess[str]":
        """`egressctl`, which must end with `code`."""
        return egressctl(self.socket, *words, stdin=stdin, code=code)

    def register(self, mesh: Mesh, *words: str) -> None:
        """Register a mesh by its kubeconfig, and wait until an applier has been there."""
        target = ("--target", "kubernetes", "--kubeconfig", str(mesh.kubeconfig))
        self.ctl("cluster", "register", mesh.name, *target, *words)
        self._clusters.append(mesh.name)

    def deregister(self, cluster: str) -> None:
        """Remove everything managed, and forget the cluster."""
        self.ctl("cluster", "deregister", cluster, "--cleanup")
        self._clusters.remove(cluster)

    def clear(self) -> None:
        """Take all policies back, and wait until no cluster holds any: so much at once has to be approved."""
        client = self.client
        changes = [client.clear_fault(fault.name).change for fault in client.list_faults()]
        changes += [client.delete_outbound_policy(policy.name).change for policy in client.list_outbound_policies()]
        changes += [client.delete_interception(each.name).change for each in client.list_interceptions()]
        changes += [client.delete_service_entry(entry.name).change for entry in client.list_service_entries()]
        eventually(lambda: not changes or self._gone(changes[-1]), "no policy on any cluster")

    def _gone(self, last: Change) -> bool:
        waited = self.client.wait_change(last, until="applied", timeout=0.5)
        for rollout in waited.waiting_for:
            if rollout.error.reason == "MASS_DELETION":
                self.client.approve_deletion(rollout.cluster)
        return waited.reached or waited.result == WaitChangeResponse.NO_CLUSTERS

    def agent(self, workload: Workload) -> None:
        """Start an agent in a workload, and wait until it is attached."""
        self._agents.append(start_agent(self._run, workload, self.socket, self.client, self.folder))

    def _spawn(self, name: str, *words: str) -> Child:
        addresses = ("--grpc-address", self.socket, "--http-address", self.http)
        (self.folder / f"{name}.log").unlink(missing_ok=True)
        return self._run.spawn(name, egressd_command(*words, *addresses), self.folder)

    def _end(self, number: signal.Signals) -> None:
        child, self._egressd = self._egressd, None
        if child is not None:
            child.process.send_signal(number)
            child.process.wait(timeout=30)


def egressctl(server: str, *words: str, stdin: str = "", code: int = 0) -> "subprocess.CompletedProcess[str]":
    """`egressctl` against a server, which must end with `code`."""
    done = run_cli("egress.cli", *words, server=server, stdin=stdin)
    assert done.returncode == code, f"egressctl {' '.join(words)}: exit {done.returncode}\n{done.stdout}{done.stderr}"
    return done


def egressd_command(*words: str) -> Sequence[str | Path]:
    """The command of a process of the server."""
    return sys.executable, "-m", "egress_server", *words


def start_agent(run: Run, workload: Workload, server: str, client: EgressClient, folder: Path) -> Child:
    """An agent in a workload that is attached to `server`, which `client` asks."""
    cluster = workload.mesh.name
    name = f"{cluster}.{workload.namespace}.{workload.name}"
    words = ["agent", "--server", server, "--cluster", cluster, "--namespace", workload.namespace]
    words += ["--name", name, "--envoy-admin", "127.0.0.1:15000"]
    inside = ("ip", "netns", "exec", workload.netns)
    agent = run.spawn(f"agent-{name}", [*inside, *egressd_command(*words)], folder)
    agent.wait_until(lambda: any(each.agent == name for each in client.list_agents(cluster)))
    return agent
