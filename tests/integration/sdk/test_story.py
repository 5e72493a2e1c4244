"""The document's story, played by egressctl and by the SDK on a real egressd with a real Envoy."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import egress
from egress import AsyncEgressClient, EgressClient, OutboundPolicy, ProbeResponse
from tests.integration.sdk.conftest import HOST

Ctl = Callable[..., "subprocess.CompletedProcess[str]"]

URL = f"http://{HOST}/"
YAML = f"""
apiVersion: networking.istio.io/v1alpha3
kind: ServiceEntry
metadata:
  name: shop
spec:
  hosts:
  - '{HOST}'
  ports:
  - number: 80
    name: http
    protocol: HTTP
  resolution: DNS
  location: MESH_EXTERNAL
"""

pytestmark = pytest.mark.xdist_group("egressd")


def test_registry_only_then_entry_by_cli(ctl: Ctl, tmp_path: Path) -> None:
    """REGISTRY_ONLY blocks an unregistered host with 502; with an entry the service answers."""
    done = ctl("outbound", "set", "REGISTRY_ONLY", "--wait", "verified", "--reason", "story")
    assert done.returncode == 0, done.stderr
    assert "set to REGISTRY_ONLY" in done.stdout

    done = ctl("probe", URL, "--from", "local", "-o", "json")
    assert done.returncode == 0, done.stderr
    probe = json.loads(done.stdout)
    assert (probe["outcome"], probe["expected"]["outcome"], probe["agrees"]) == ("BLOCKED", "BLOCKED", True)
    assert probe["attempts"][-1]["status"] == 502

    (tmp_path / "entry.yaml").write_text(YAML)
    done = ctl("entry", "upsert", "-f", str(tmp_path / "entry.yaml"), "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "ServiceEntry" in done.stdout
    done = ctl("entry", "upsert", "-f", str(tmp_path / "entry.yaml"), "--wait", "verified", "-o", "json")
    assert done.returncode == 0, done.stderr
    revision = json.loads(done.stdout)["change"]["revision"]

    done = ctl("probe", URL, "--from", "local", "--min-revision", revision)
    assert done.returncode == 0, done.stderr + done.stdout
    assert done.stdout.startswith("HTTP/1.1 301 Moved Permanently\n")
    assert "REGISTERED" in done.stdout

    shown = json.loads(ctl("changes", "get", revision, "-o", "json").stdout)
    assert [rollout["state"] for rollout in shown["clusterRollouts"]] == ["VERIFIED"]

    assert ctl("entry", "delete", "shop", "--wait", "applied").returncode == 0
    assert ctl("outbound", "set", "ALLOW_ANY", "--wait", "applied").returncode == 0


def test_refusals_by_cli(ctl: Ctl) -> None:
    """A request that the server refuses exits with 1 and names the field."""
    done = ctl("entry", "upsert", "x", "--host", "not a host", "--port", "0:HTTP")
    assert done.returncode == 1
    assert "service_entry.hosts[0]" in done.stderr
    assert "service_entry.ports[0].number" in done.stderr
    done = ctl("entry", "get", "nobody", "-o", "json")
    assert done.returncode == 1
    assert json.loads(done.stderr)["code"] == 5
    assert ctl("probe", URL, "--from", "nowhere").returncode == 1


def test_doctor(ctl: Ctl) -> None:
    """The doctor finds no problem with a healthy server."""
    checks = json.loads(ctl("doctor", "-o", "json").stdout)["checks"]
    assert {check["name"]: check["verdict"] for check in checks if check["verdict"] != "ok"} == {}


def test_lists_by_cli(ctl: Ctl) -> None:
    """Clusters and changes can be listed, with and without filters."""
    (cluster,) = json.loads(ctl("cluster", "list", "-o", "json").stdout)["clusters"]
    assert cluster["name"] == "meshes/default/clusters/local"
    assert len(json.loads(ctl("changes", "list", "--limit", "1", "-o", "json").stdout)["changes"]) == 1


def test_sdk(client: EgressClient) -> None:
    """The same by the SDK: set, wait, probe, a stale etag, a list of two pages, delete."""
    made = client.upsert_service_entry(
        "sdk", hosts=[HOST], ports=["80:HTTP"], namespace="other", request_id="story-sdk"
    )
    again = client.upsert_service_entry(
        "sdk", hosts=[HOST], ports=["80:HTTP"], namespace="other", request_id="story-sdk"
    )
    assert again.change.revision == made.change.revision
    assert client.wait_change(made.change, until="verified", timeout=60).reached
    probe = client.probe(URL, cluster="local", min_applied_revision=made.change.revision)
    assert (probe.outcome, probe.agrees) == (ProbeResponse.REGISTERED, True)

    old = made.service_entry.etag
    client.upsert_service_entry("sdk", hosts=[HOST, "other.example"], ports=["80:HTTP"], namespace="other")
    with pytest.raises(egress.EtagMismatch):
        client.delete_service_entry("sdk", namespace="other", etag=old)
    client.upsert_service_entry("two", hosts=["two.example"], ports=["80:HTTP"], namespace="other")
    found = [entry.name.rpartition("/")[2] for entry in client.list_service_entries(namespace="other", page_size=1)]
    assert found == ["sdk", "two"]
    for name in found:
        client.delete_service_entry(name, namespace="other")
    assert list(client.list_service_entries(namespace="other")) == []


async def test_async_sdk(target: str) -> None:
    """The async client works with the same server."""
    async with AsyncEgressClient(target) as client:
        planned = await client.set_outbound_policy("REGISTRY_ONLY", namespace="other", validate_only=True)
        assert planned.outbound_policy.mode == OutboundPolicy.REGISTRY_ONLY
        assert not planned.reply.HasField("change")
        assert [cluster.name async for cluster in client.list_clusters()] == ["meshes/default/clusters/local"]
        with pytest.raises(egress.NotFound):
            await client.get_outbound_policy("nobody")
