"""REST on a unix socket: who called is recorded, and only there."""

import os
import pwd
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from egress import EgressClient
from tests.support.egressd import Egressd

SET = "http://localhost/v1/meshes/default/outboundPolicies:set?outboundPolicyId="
POLICY = {"outboundPolicy": {"mode": "ALLOW_ANY"}}


@contextmanager
def serving(home: Path) -> Iterator[tuple[Egressd, Path]]:
    """An egressd with both APIs on unix sockets, and the path of that of REST."""
    path, egressd = home / "http", Egressd(home)
    egressd.argv += ["--http-address", f"unix:{path}"]
    egressd.start()
    try:
        yield egressd, path
    finally:
        egressd.stop()


def over(path: Path) -> httpx.Client:
    """A client over the socket."""
    return httpx.Client(transport=httpx.HTTPTransport(uds=str(path)), timeout=20)


def test_the_audit_has_the_peer(home: Path) -> None:
    """A change over REST is by the user at the other end, whatever the caller claims; over gRPC no user is named."""
    with serving(home) as (egressd, path):
        with over(path) as rest:
            claims = {"X-Forwarded-For": "uid:1", "X-User": "mallory"}
            response = rest.post(f"{SET}rest", json=POLICY, headers=claims)
        assert response.status_code == 200
        assert response.json()["change"]["actor"] == f"user:{pwd.getpwuid(os.getuid()).pw_name}"
        with EgressClient(egressd.grpc) as client:
            assert client.delete_outbound_policy("rest").change.actor == "local:unknown"


def test_the_socket_goes_with_the_server(home: Path) -> None:
    """It is deleted at the end, and one left over by a killed server is replaced."""
    with serving(home) as (egressd, path):
        egressd.kill()
        assert path.is_socket()
        egressd.start()
        with over(path) as rest:
            assert rest.get("http://localhost/readyz").status_code == 200
    assert not path.exists()


def test_a_socket_in_use_is_not_taken_over(home: Path) -> None:
    """Another server listens there."""
    with serving(home) as (_, path):
        other_home = home / "other"
        other_home.mkdir()
        other = Egressd(other_home)
        done = subprocess.run(
            [*other.argv, "--http-address", f"unix:{path}"], capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 1
        assert f"can't listen on unix:{path}" in done.stderr
