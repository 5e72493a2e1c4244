"""A client that outlives the server."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from egress import EgressClient
from tests.integration.sdk.conftest import egressd


def test_a_call_rides_over_a_restart(tmp_path: Path) -> None:
    """A mutation made while egressd is down succeeds once it is back, and acknowledged changes are still there."""
    with EgressClient(f"unix:{tmp_path}/grpc") as client, ThreadPoolExecutor() as pool:
        with egressd(tmp_path) as process:
            before = client.set_outbound_policy("REGISTRY_ONLY", request_id="before")
            process.kill()
            process.wait()
            during = pool.submit(client.set_outbound_policy, "ALLOW_ANY")
        with egressd(tmp_path):
            assert during.result().change.previous_revision == before.change.revision
            again = client.set_outbound_policy("REGISTRY_ONLY", request_id="before")
            assert again.change.revision == before.change.revision
