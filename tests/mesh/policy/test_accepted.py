"""What validation accepts is valid to Istio, and what Istio's own examples show is accepted or refused for a reason."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import yaml

from egress_server.domain.model.objects import IstioObject
from egress_server.domain.validate import Problems, check_resource
from egress_server.formats.service_entry import parse_service_entry
from egress_server.formats.strict_yaml import dump
from tests.mesh.harness.cluster.binaries import TOOLS, Binaries, cache_folder, find_go, print_progress
from tests.mesh.harness.cluster.mesh import Mesh
from tests.support.violations import violations_of
from tests.unit.domain.accepted import accepted_objects, blocked

EXAMPLES = int(os.environ.get("EGRESS_ACCEPTED_EXAMPLES", "60"))
SEED = int(os.environ.get("EGRESS_ACCEPTED_SEED", "1"))
"""For longer runs with other examples."""

REFUSED_FOR = {
    "ports: at least 1 port is required": "no sidecar serves a host without ports",
    "hosts[0]: the wildcard must be the whole first label": "Istio warns: no request matches such a host",
    "spec.workloadSelector: must have labels": "Istio warns: it selects all workloads of the namespace",
    "addresses[0]: must be written": "two tools may read host bits differently",
    "endpoints[0].address: a sidecar can't reach a socket": "the socket would have to be in each workload's pod",
    "spec.addresses[1]: must be a string": "the file has a placeholder of the test that reads it",
    "EGR0105": "the address leads back into the infrastructure",
}
"""What we refuse and Istio accepts, and why."""


def istios_problems(binaries: Binaries, path: Path) -> str:
    """The errors of `istioctl validate`, which also prints warnings."""
    done = subprocess.run([binaries.istioctl, "validate", "-f", path], capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).partition("Error:")[2]


def test_random_policy_is_valid(mesh: Mesh, binaries: Binaries, tmp_path: Path) -> None:
    """As text, to istioctl, and to the API server with Istio's webhook. Every kind of object is among them."""
    objects = accepted_objects(EXAMPLES, SEED)
    assert {obj["kind"] for obj in objects} == {"ServiceEntry", "VirtualService", "DestinationRule", "Sidecar"}
    path = tmp_path / "objects.yaml"
    path.write_text("---\n".join(map(dump, objects)), encoding="utf-8")
    assert not istios_problems(binaries, path)
    for namespace in {obj["metadata"]["namespace"] for obj in objects} - {"default", "istio-system"}:
        mesh.namespace(namespace)
    shown = mesh.kubectl("apply", "--dry-run=server", "-o", "name", "-f", str(path))
    assert len(shown.splitlines()) == len(objects)


def test_istios_own_examples_get_istios_verdict(binaries: Binaries, tmp_path: Path) -> None:
    """ServiceEntries in the files of Istio's module: what Istio refuses is refused, and the reverse has a reason."""
    entries = list(_examples())
    assert len(entries) > 100
    path = tmp_path / "entries.yaml"
    path.write_text("---\n".join(map(yaml.safe_dump, entries)), encoding="utf-8")
    refused = set(re.findall(r"ServiceEntry/default/(case-\d+):", istios_problems(binaries, path)))
    assert refused
    for entry in entries:
        ours = _our_problem(yaml.safe_dump(entry))
        if entry["metadata"]["name"] in refused:
            assert ours, entry
        elif ours:
            assert any(ours.startswith(known) for known in REFUSED_FOR), (ours, entry)


def _examples() -> Iterator[IstioObject]:
    """All entries in YAML files, under unique names. `_err` is the error that a test of Istio expects."""
    number = 0
    for path in sorted(_module_folder().rglob("*.yaml")):
        text = path.read_text(encoding="utf-8", errors="ignore")
        if "ServiceEntry" not in text:
            continue
        try:
            documents = list(yaml.safe_load_all(text))
        except yaml.YAMLError:
            continue  # a template
        for document in documents:
            if isinstance(document, dict) and document.get("kind") == "ServiceEntry" and document.get("spec"):
                metadata = {key: document["metadata"][key] for key in ("labels",) if key in document["metadata"]}
                kept = {key: document[key] for key in ("apiVersion", "kind", "spec")}
                yield {**kept, "metadata": {**metadata, "name": f"case-{number}", "namespace": "default"}}
                number += 1


def _module_folder() -> Path:
    """Where Go keeps the module that istioctl is built from; downloads it if it is not there."""
    go = find_go(cache_folder(), print_progress)
    command = [go, "mod", "download", "-json", "istio.io/istio"]
    done = subprocess.run(command, cwd=TOOLS / "istio", capture_output=True, text=True, check=True)
    return Path(json.loads(done.stdout)["Dir"])


def _our_problem(text: str) -> str:
    """The first thing that we refuse in an entry; empty if it is accepted."""
    problems = Problems()
    parsed = parse_service_entry(text, problems)
    assert parsed is not None
    entry = replace(parsed.entry, name="meshes/default/namespaces/default/serviceEntries/example")
    check_resource(entry, problems)
    if found := violations_of(problems.raise_if_any):
        return ": ".join(found[0])
    return "EGR0105" if blocked(entry) else ""
