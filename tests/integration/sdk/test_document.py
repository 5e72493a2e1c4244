"""The rest of the document by egressctl and SDK: faults, interception, explain, watch and revert, on a real mesh."""

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

import egress
from egress import AsyncEgressClient, ClusterRollout, EgressClient, OutboundPolicy, ProbeResponse
from tests.integration.sdk.conftest import HOST, egressd

Ctl = Callable[..., "subprocess.CompletedProcess[str]"]

URL = f"http://{HOST}/"
YAML = f"""
apiVersion: networking.istio.io/v1alpha3
kind: VirtualService
metadata:
  name: slow
spec:
  hosts:
  - '{HOST}'
  http:
  - fault:
      delay:
        percent: 100
        fixedDelay: 0.2s
    route:
    - destination:
        host: {HOST}
      weight: 100
"""

pytestmark = pytest.mark.xdist_group("egressd")


@pytest.fixture
def shop_entry(client: EgressClient) -> Iterator[None]:
    """The external service is registered."""
    client.upsert_service_entry("shop", hosts=[HOST], ports=["80:HTTP"]).wait(timeout=60)
    yield
    client.delete_service_entry("shop").wait(timeout=60)


def outcome(client: EgressClient) -> ProbeResponse.Outcome.ValueType:
    """The outcome of a probe of the service."""
    reply = client.probe(URL, cluster="local")
    assert reply.agrees, reply
    return reply.outcome


@pytest.mark.usefixtures("shop_entry")
def test_a_fault_by_cli(ctl: Ctl, tmp_path: Path) -> None:
    """The document's own YAML delays requests until it is cleared; invalid YAML is refused with the reason."""
    (tmp_path / "fault.yaml").write_text(YAML)
    done = ctl("fault", "inject", "-f", str(tmp_path / "fault.yaml"), "--ttl", "10m", "--wait", "applied")
    assert done.returncode == 0, done.stderr
    assert f"injected for {HOST} until" in done.stdout
    done = ctl("probe", URL, "--from", "local", "--count", "3")
    assert done.returncode == 0, done.stderr + done.stdout
    assert "outcomes 3 FAULTED" in done.stdout
    assert [fault["name"] for fault in json.loads(ctl("fault", "list", "-o", "json").stdout)["faults"]] == [
        "meshes/default/namespaces/default/faults/slow"
    ]
    assert ctl("fault", "clear", "slow", "--wait", "applied").returncode == 0
    assert ctl("fault", "get", "slow").returncode == 1

    done = ctl("fault", "inject", HOST, "--abort", "999", "--percent", "0")
    assert done.returncode == 1
    assert "fault.abort" in done.stderr
    done = ctl("fault", "inject", "unknown.example", "--abort", "503")
    assert done.returncode == 1
    assert "EGR" in done.stderr


@pytest.mark.usefixtures("shop_entry")
def test_a_held_fault(client: EgressClient) -> None:
    """Within the block requests fail, after it they succeed."""
    with client.fault(HOST, abort=503, ttl="10m", wait_timeout=60) as fault:
        assert fault.HasField("expire_time")
        assert outcome(client) == ProbeResponse.FAULTED
    assert outcome(client) == ProbeResponse.REGISTERED
    assert list(client.list_faults()) == []


@pytest.mark.usefixtures("shop_entry")
async def test_a_held_fault_async(target: str) -> None:
    """The async client holds faults as well."""
    async with AsyncEgressClient(target) as client:
        async with client.fault(HOST, abort="UNAVAILABLE"):
            assert (await client.probe(URL, cluster="local")).outcome == ProbeResponse.FAULTED
        assert (await client.probe(URL, cluster="local")).outcome == ProbeResponse.REGISTERED


def test_interception(client: EgressClient, ctl: Ctl) -> None:
    """Excluded ranges bypass the sidecar; without the interception they do not."""
    done = ctl("intercept", "set", "--include", "*", "--exclude", "127.0.0.0/8", "--wait", "applied")
    assert done.returncode == 0, done.stderr
    assert outcome(client) == ProbeResponse.BYPASSED
    assert ctl("intercept", "set", "--exclude", "127.0.0.1/8").returncode == 1
    assert ctl("intercept", "delete", "default", "--wait", "applied").returncode == 0
    assert outcome(client) == ProbeResponse.PASSTHROUGH


@pytest.mark.usefixtures("shop_entry")
def test_insight(client: EgressClient, ctl: Ctl) -> None:
    """Explain and registry name the deciding resource."""
    done = ctl("explain", URL, "--from", "local")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("expected REGISTERED by meshes/default/namespaces/default/serviceEntries/shop")
    (item,) = [item for item in client.list_registry("local") if item.host == HOST]
    assert (item.port, item.visible, item.owner.rpartition("/")[2]) == (80, True, "shop")
    assert HOST in ctl("registry", "--from", "local").stdout
    assert ctl("explain", URL, "--from", "nowhere").returncode == 1


def test_watch_and_rollback(client: EgressClient, ctl: Ctl) -> None:
    """A watch sees a change, its rollouts and its revert, which restores the previous state."""
    client.set_outbound_policy("ALLOW_ANY").wait(timeout=60)
    with client.watch_changes(include_rollouts=True) as watch:
        change = client.set_outbound_policy("REGISTRY_ONLY")
        seen = next(event for event in watch if event.HasField("change"))
        assert seen.change.revision == change.change.revision
        assert change.wait(until="verified", timeout=60).reached
        rollout = next(event.rollout for event in watch if event.HasField("rollout"))
        assert rollout.state in (ClusterRollout.APPLYING, ClusterRollout.APPLIED, ClusterRollout.VERIFIED)
    assert outcome(client) == ProbeResponse.BLOCKED

    done = ctl("changes", "revert", str(change.change.revision), "--wait", "verified")
    assert done.returncode == 0, done.stderr
    assert client.get_outbound_policy().mode == OutboundPolicy.ALLOW_ANY
    assert outcome(client) == ProbeResponse.PASSTHROUGH

    done = ctl("changes", "watch", "--cursor", seen.cursor, "--limit", "1", "-o", "json")
    assert json.loads(done.stdout)["change"]["type"] == "REVERT"
    with pytest.raises(egress.InvalidArgument):
        next(client.watch_changes("nonsense"))


def test_fleet(client: EgressClient, ctl: Ctl) -> None:
    """Mesh and clusters can be described, a cluster is registered and deregistered, and agents are listed."""
    assert ctl("mesh", "update", "--display-name", "Shop", "--label", "a=b").returncode == 0
    assert client.get_mesh().display_name == "Shop"
    assert ctl("cluster", "update", "local", "--label", "env=test").returncode == 0
    assert client.get_cluster("local").labels == {"env": "test"}
    assert ctl("cluster", "update", "nowhere", "--label", "env=test").returncode == 1
    client.wait_change(client.update_cluster("local").change, timeout=60)
    assert [agent.cluster for agent in client.list_agents("local")] == ["meshes/default/clusters/local"]
    assert ctl("cluster", "resync", "local").returncode == 0

    assert client.register_cluster("other").cluster.name.endswith("/other")
    assert ctl("cluster", "deregister", "other").returncode == 0
    with pytest.raises(egress.NotFound):
        client.get_cluster("other")


def test_a_watch_goes_on_over_a_restart(tmp_path: Path) -> None:
    """Changes made after egressd has come back are seen, and none in between is missed."""
    with EgressClient(f"unix:{tmp_path}/grpc") as client, ExitStack() as stack:
        with egressd(tmp_path) as process:
            watch = stack.enter_context(client.watch_changes())
            first = client.set_outbound_policy("REGISTRY_ONLY").change.revision
            assert next(watch).change.revision == first
            process.kill()
            process.wait()
        with egressd(tmp_path):
            later = [client.set_outbound_policy(mode).change.revision for mode in ("ALLOW_ANY", "REGISTRY_ONLY")]
            assert [next(watch).change.revision for _ in later] == later
