"""A client that outlives the server."""

import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from egress import EgressClient
from tests.integration.sdk.conftest import egressd


def test_a_call_survives_a_restart(tmp_path: Path) -> None:
    """A mutation sent while egressd is dead is made once it is back, and what was acknowledged is still there.

    The new egressd starts at a path of its own, which takes the place of the client's when the call has failed once: so
    the retries need not outlast a start on a busy machine.
    """
    path = tmp_path / "grpc"
    with EgressClient(f"unix:{path}") as client, ThreadPoolExecutor() as pool:
        with egressd(tmp_path) as process:
            before = client.set_outbound_policy("REGISTRY_ONLY", request_id="before")
            process.kill()
            process.wait()
        with egressd(tmp_path, socket="restarted"), socket.socket(socket.AF_UNIX) as dead:
            path.unlink(missing_ok=True)
            dead.bind(str(path))
            dead.listen()
            during = pool.submit(client.set_outbound_policy, "ALLOW_ANY")
            attempt, _ = dead.accept()
            attempt.close()
            (tmp_path / "link").symlink_to("restarted")
            (tmp_path / "link").replace(path)
            assert during.result().change.previous_revision == before.change.revision
            again = client.set_outbound_policy("REGISTRY_ONLY", request_id="before")
            assert again.change.revision == before.change.revision
