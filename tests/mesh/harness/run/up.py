"""Starts real meshes for manual experiments, prints how to use them, and stays until Ctrl-C.

.venv/bin/python -m tests.mesh.harness.run.up [--meshes 2]
"""

import argparse
import contextlib
import signal
import sys
import threading
import time

from tests.mesh.harness.cluster import machine
from tests.mesh.harness.cluster.binaries import find_or_build, print_progress
from tests.mesh.harness.cluster.mesh import Mesh, running_meshes
from tests.mesh.harness.run.run import Run


def main() -> int:
    """Exit code 1 if this machine cannot run a mesh."""
    arguments = argparse.ArgumentParser(description="Bring up real meshes with one workload each")
    arguments.add_argument("--meshes", type=int, default=1)
    count: int = arguments.parse_args().meshes
    if missing := machine.prepare(print_progress):
        print(machine.boxed(missing), file=sys.stderr)
        return 1
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    binaries = find_or_build(print_progress)
    with Run() as run:
        began = time.monotonic()
        with running_meshes(run, binaries, range(count)) as meshes:
            for mesh in meshes:
                mesh.workload("curl")
            print_progress(f"{count} up in {time.monotonic() - began:.1f} s")
            for mesh in meshes:
                print(_usage(mesh), flush=True)
            with contextlib.suppress(KeyboardInterrupt):
                stop.wait()
        print_progress("cleaning up")
    return 0


def _usage(mesh: Mesh) -> str:
    workload = mesh.workloads[0]
    inside = f"ip netns exec {workload.netns}"
    lines = {
        "mesh": f"{mesh.name}, services {mesh.services.flag}",
        "kubeconfig": mesh.kubeconfig,
        "kubectl": f"{mesh.binaries.kubectl} --kubeconfig {mesh.kubeconfig} get pods -A",
        "workload": f"default/{workload.name}, network namespace {workload.netns}",
        "curl": f"{inside} curl -I http://www.aliyun.com/",
        "curl https": f"{inside} curl -I --cacert {mesh.world.authority} https://www.aliyun.com/",
        "Envoy admin": f"{inside} curl -s http://127.0.0.1:15000/config_dump",
        "agent": f"{inside} egressd agent --server unix:SOCKET --cluster {mesh.name} --namespace default "
        "--envoy-admin 127.0.0.1:15000",
        "egressd": f"egressd run --data-dir DIR --grpc-address unix:{mesh.run.folder}/egressd.sock "
        "(a unix socket is seen from inside the namespace, a port of loopback is not)",
        "outside": f"network namespace {mesh.world.namespace}",
        "logs": f"{mesh.folder}",
    }
    return "\n".join(f"{name:12} {text}" for name, text in lines.items()) + "\n"


if __name__ == "__main__":
    sys.exit(main())
