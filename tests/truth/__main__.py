"""Random worlds on a real cluster: `make truth SEED=1 N=2000`.

Every disagreement is shrunk and printed; `ONLY=SEED` asks about one world again.
"""

import argparse
import pickle
import sys
import time
from collections import Counter
from pathlib import Path

import grpc

from egress_server.targets.kubernetes.merge.owned_fields import FOREIGN_OWNER
from tests.mesh.harness.cluster import machine
from tests.mesh.harness.cluster.binaries import find_or_build, print_progress
from tests.mesh.harness.cluster.mesh import Mesh
from tests.mesh.harness.run.run import Run
from tests.truth.cluster.cluster import ISTIOD, TruthCluster
from tests.truth.confirm import Confirmation, confirm
from tests.truth.features import FEATURES
from tests.truth.generate.world import random_world
from tests.truth.run import Tally, ask, count_deciding, shrink
from tests.truth.workload.client import Client, start_clients

_QUESTIONS_PER_WORLD = 25
_LEAST_SHARE, _WORLDS_FOR_SHARES = 0.01, 80
"""Each kind decides so many answers, once there are so many worlds to judge by."""
_MESH = 7
_NETWORK = f"10.{200 + _MESH}"


def main() -> int:
    """The exit code: 1 if something disagrees."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--questions", type=int, default=2000)
    arguments.add_argument("--only", type=int)
    arguments.add_argument("--shrink", type=int, default=10, help="how many kinds of disagreements to shrink")
    arguments.add_argument("--curl", type=int, default=0, help="questions per workload and world for curl and Probe")
    arguments.add_argument("--shares", type=int, default=0, help="in how many worlds to find out what decides")
    arguments.add_argument("--record", type=Path, help="a file for the answers, which tests.truth.mutate reads")
    options = arguments.parse_args()
    if missing := machine.prepare(print_progress):
        print(machine.boxed(missing))
        return 1
    with Run() as run:
        mesh = Mesh(run, find_or_build(print_progress), _MESH, ISTIOD)
        mesh.start()
        cluster = TruthCluster(mesh)
        clients: list[Client] = []
        try:
            if options.curl:
                clients += start_clients(mesh)
            return _run(cluster, clients, options)
        except grpc.RpcError:
            print(mesh.istiod_log)
            raise
        finally:
            for client in clients:
                client.close()
            cluster.close()
            mesh.stop()


def _run(cluster: TruthCluster, clients: list[Client], options: argparse.Namespace) -> int:
    confirmation = Confirmation()
    tally, began, worlds = Tally(), time.monotonic(), 0
    shares: Counter[str] = Counter()
    while tally.asked < options.questions:
        seed = options.only if options.only is not None else options.seed * 1_000_000 + worlds
        shown = ask(cluster, cluster.admitted(random_world(seed, _NETWORK, _QUESTIONS_PER_WORLD)), tally)
        worlds += 1
        tally.refused.update(problem.message for problem in shown.obstacles.values() if problem.reason != FOREIGN_OWNER)
        confirm(cluster, shown, clients, options.curl, confirmation)
        if worlds <= options.shares:
            count_deciding(cluster, shown, shares)
        if options.only is not None:
            break
    seconds = time.monotonic() - began
    print(f"truth: {tally.asked} questions about {worlds} worlds in {seconds:.0f} s")
    print(f"truth: outcomes {_shares(tally.outcomes)}; undecided {dict(tally.undecided) or 'none'}")
    for message, count in tally.refused.items():
        print(f"truth: {count} x a managed resource was accepted, but not by the cluster: {message}")
    rare = _print_more(confirmation, shares, min(options.shares, worlds))
    if options.record:
        options.record.write_bytes(pickle.dumps(tally.agreed))
    kinds = Counter(found.kind for found in tally.found)
    for kind, count in kinds.most_common():
        print(f"truth: {count} x {kind}")
    for kind, _ in kinds.most_common(options.shrink):
        first = next(found for found in tally.found if found.kind == kind)
        print(shrink(cluster, first))
    print(f"truth: {len(tally.found)} of {tally.asked} answers differ")
    if rare:
        print(f"truth: decide less than {100 * _LEAST_SHARE:g} %: {', '.join(rare)}")
    return 1 if tally.found or confirmation.found or rare else 0


def _print_more(confirmation: Confirmation, shares: Counter[str], worlds: int) -> list[str]:
    """What curl and Probe confirmed, and what decides in so many worlds. Returns what decides too rarely."""
    if confirmation.by_curl:
        print(f"truth: {confirmation.by_curl} asked by curl, {confirmation.by_probe} by Probe, ", end="")
        print(f"refused {dict(confirmation.refused) or 'none'}, {len(confirmation.found)} contradictions")
        print("\n".join(map(str, confirmation.found)))
    if worlds:
        asked = worlds * _QUESTIONS_PER_WORLD
        for feature in sorted(FEATURES, key=lambda each: -shares[each.name]):
            print(f"truth: {feature.name} decides {100 * shares[feature.name] / asked:.1f} % of {asked}")
        if worlds >= _WORLDS_FOR_SHARES:
            return [feature.name for feature in FEATURES if shares[feature.name] < _LEAST_SHARE * asked]
    return []


def _shares(counts: Counter[str]) -> str:
    total = sum(counts.values())
    return ", ".join(f"{name} {100 * count / total:.1f} %" for name, count in counts.most_common())


if __name__ == "__main__":
    sys.exit(main())
