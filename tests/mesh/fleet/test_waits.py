"""What a change waits for on a real mesh: it is reported to the caller who waits, and the change then proceeds."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.mesh.harness.cluster.foreign_writer import others_writing
from tests.mesh.harness.cluster.mesh import Mesh
from tests.mesh.harness.run.product import Product
from tests.mesh.harness.run.run import Run, command
from tests.mesh.harness.workload.workload import Workload

HOST = "www.aliyun.com"
SECONDS = 60.0


@pytest.fixture
def product(run: Run, mesh: Mesh, curl: Workload) -> Iterator[Product]:
    """One egressd, with an agent in the workload, under REGISTRY_ONLY."""
    with Product(run) as product:
        product.register(mesh)
        product.agent(curl)
        changed = product.client.set_outbound_policy("REGISTRY_ONLY", suppress_findings=["EGR0302"])
        waited = changed.wait(until="verified", timeout=SECONDS)
        assert waited.reached, waited
        yield product


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


def test_others_who_write_without_a_pause(product: Product, mesh: Mesh) -> None:
    """istiod keeps the change from the sidecars meanwhile; who writes what is named."""
    with others_writing(mesh):
        words = ("entry", "upsert", "aliyun", "--host", HOST, "--port", "80:HTTP", "--port", "443:TLS")
        waited = product.ctl(*words, "--wait", "verified", "--timeout", "6s", code=3)
    assert "ISTIOD_DEBOUNCING" in waited.stderr
    assert "ServiceEntry by busy-client" in waited.stderr
    entry = product.client.get_service_entry("aliyun")
    assert product.client.wait_change(entry.revision, until="verified", timeout=SECONDS).reached


def test_a_name_that_the_sidecar_has_not_resolved(product: Product, curl: Workload) -> None:
    """It answers 503 until then, and the change is not verified."""
    with sidecar_without_answers(curl):
        made = product.client.upsert_service_entry("aliyun", hosts=[HOST], ports=["80:HTTP"], resolution="DNS")
        waited = product.client.wait_change(made.change, until="verified", timeout=4)
        assert not waited.reached
        [rollout] = waited.waiting_for
        assert rollout.error.reason == "DNS_WARMING", rollout
    assert product.client.wait_change(made.change, until="verified", timeout=SECONDS).reached
    assert curl.curl(f"http://{HOST}/").routed
