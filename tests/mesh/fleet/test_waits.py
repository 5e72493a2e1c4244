"""What a change waits for on a real mesh: it is reported to the caller who waits, and the change then proceeds."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.mesh.harness.cluster.foreign_writer import foreign_writes
from tests.mesh.harness.cluster.mesh import Mesh
from tests.mesh.harness.run.egressd import Egressd
from tests.mesh.harness.run.run import Run, command
from tests.mesh.harness.workload.workload import Workload

HOST = "www.aliyun.com"
SECONDS = 60.0


@pytest.fixture
def egressd(run: Run, mesh: Mesh, curl: Workload) -> Iterator[Egressd]:
    """One egressd, with an agent in the workload, under REGISTRY_ONLY."""
    with Egressd(run) as egressd:
        egressd.register(mesh)
        egressd.agent(curl)
        changed = egressd.client.set_outbound_policy("REGISTRY_ONLY", suppress_findings=["EGR0302"])
        waited = changed.wait(until="verified", timeout=SECONDS)
        assert waited.reached, waited
        yield egressd


@contextmanager
def sidecar_without_answers(curl: Workload) -> Iterator[None]:
    """What Envoy asks of the name server is never answered; what the workload asks itself is."""
    envoys = ["-p", "udp", "--dport", "53", "-m", "owner", "--uid-owner", "1337"]
    rules = [
        ["mangle", "OUTPUT", *envoys, "-j", "CONNMARK", "--set-mark", "53"],
        ["filter", "INPUT", "-p", "udp", "--sport", "53", "-m", "connmark", "--mark", "53", "-j", "DROP"],
    ]
    inside = ("ip", "netns", "exec", curl.netns, "iptables-legacy", "-t")
    for table, *rule in rules:
        command(*inside, table, "-I", *rule)
    try:
        yield
    finally:
        for table, *rule in rules:
            command(*inside, table, "-D", *rule)


def test_foreign_writes_without_a_pause(egressd: Egressd, mesh: Mesh) -> None:
    """istiod delays the change meanwhile; the report names who writes what."""
    with foreign_writes(mesh):
        words = ("entry", "upsert", "aliyun", "--host", HOST, "--port", "80:HTTP", "--port", "443:TLS")
        waited = egressd.ctl(*words, "--wait", "verified", "--timeout", "6s", code=3)
    assert "ISTIOD_DEBOUNCING" in waited.stderr
    assert "ServiceEntry by busy-client" in waited.stderr
    entry = egressd.client.get_service_entry("aliyun")
    assert egressd.client.wait_change(entry.revision, until="verified", timeout=SECONDS).reached


def test_a_name_that_the_sidecar_has_not_resolved(egressd: Egressd, curl: Workload) -> None:
    """It answers 503 until then, and the change is not verified."""
    with sidecar_without_answers(curl):
        made = egressd.client.upsert_service_entry("aliyun", hosts=[HOST], ports=["80:HTTP"], resolution="DNS")
        waited = egressd.client.wait_change(made.change, until="verified", timeout=4)
        assert not waited.reached
        [rollout] = waited.waiting_for
        assert rollout.error.reason == "DNS_WARMING", rollout
    assert egressd.client.wait_change(made.change, until="verified", timeout=SECONDS).reached
    assert curl.curl(f"http://{HOST}/").routed
