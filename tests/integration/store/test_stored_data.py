"""What earlier releases stored is read, completely and unchanged, and written on.

tests/data/stored-0.1.0/README.md says how the data came about. The server has no applier, so that nothing but the test
writes, and keeps changes forever, so that the data does not age.
"""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from egress_server.auth.sealing import KeyFileSealer
from egress_server.store.codec import encode
from egress_server.store.keys import Retention
from tests.golden.compare import assert_golden
from tests.support.fake_applier import FakeApplier
from tests.support.kubeconfigs import CANARY
from tests.support.paths import ROOT
from tests.support.redis import short_dir

STORED = ROOT / "tests" / "data" / "stored-0.1.0"
REVISION = 43
MESH = "/v1/meshes/default"
COLLECTIONS = {
    "changes": "changes",
    "clusters": "clusters",
    "outbound_policies": "outboundPolicies",
    "service_entries": "namespaces/-/serviceEntries",
    "faults": "namespaces/-/faults",
    "interceptions": "interceptions",
    "drift": "clusters/-/drift",
    "policy_gaps": "clusters/-/policyGaps",
    "stale_workloads": "clusters/-/staleWorkloads",
}


@pytest.fixture(params=["redis-6.2", "redis-7.0"])
def stored(request: pytest.FixtureRequest) -> Path:
    """The data of one kind of server."""
    return STORED / str(request.param)


@pytest.fixture
def home(stored: Path) -> Iterator[Path]:
    """A copy of it, to be opened."""
    with short_dir() as home:
        shutil.copytree(stored / "data", home / "data")
        yield home


@pytest.fixture
def server(home: Path) -> FakeApplier:
    """The current code on it."""
    return FakeApplier(home, Retention(changes_days=36_500))


def test_everything_is_read(stored: Path, server: FakeApplier, update_golden: bool) -> None:
    """Resources, history, clusters' records and inventories are returned by the API as in 0.1.0, and the audit trail
    verifies: nothing in it was rewritten."""
    with server.running(), httpx.Client(base_url=server.url) as client:
        made = {name: get(client, f"{MESH}/{path}?page_size=1000") for name, path in COLLECTIONS.items()}
        made["mesh"] = get(client, MESH)
        assert server.verify() == []
    assert len(made["changes"]["changes"]) == REVISION
    files = {
        f"{name}.json": json.dumps(content, indent=1, sort_keys=True).encode() + b"\n" for name, content in made.items()
    }
    assert_golden(stored / "expected", files, update=update_golden)


def test_sealed_credentials_are_opened(home: Path, server: FakeApplier) -> None:
    """The key that 0.1.0 created still opens what it sealed."""
    with server.running():
        found = server.stored("meshes/default/clusters/sealed")
    assert found is not None
    sealed = re.search(rb'"(1:[\w+/=]+)"', encode(found.resource))
    assert sealed
    assert CANARY in KeyFileSealer(home / "data" / "credentials.key", make=False).open(sealed[1].decode())


def test_writing_goes_on(home: Path, server: FakeApplier) -> None:
    """New changes continue the old history and are there after a restart; store.json names the server that wrote
    them."""
    policy = f"{MESH}/outboundPolicies/default"
    change = {"outboundPolicyId": "default", "outboundPolicy": {"mode": "ALLOW_ANY"}}
    with server.running(), httpx.Client(base_url=server.url) as client:
        before = get(client, policy)
        of_another_version = get(client, f"{MESH}/outboundPolicies/shop")["etag"]
        refused = client.post(f"{MESH}/outboundPolicies:set", json={**change, "etag": of_another_version})
        assert refused.status_code == httpx.codes.CONFLICT, refused.text
        done = client.post(f"{MESH}/outboundPolicies:set", json={**change, "etag": before["etag"]})
        assert done.status_code == httpx.codes.OK, done.text
        assert done.json()["change"]["previousRevision"] == before["revision"]
        reverted = client.post(f"{MESH}/changes/{REVISION}:revert", json={})
        assert reverted.status_code == httpx.codes.OK, reverted.text
    again = FakeApplier(home, Retention(changes_days=36_500))
    with again.running(), httpx.Client(base_url=again.url) as client:
        changes = get(client, f"{MESH}/changes?page_size=1000")["changes"]
        assert [int(change["revision"]) for change in changes] == list(range(REVISION + 2, 0, -1))
        assert get(client, policy)["mode"] == "ALLOW_ANY"
        assert again.verify() == []
    known = msgspec.json.decode((home / "data" / "store.json").read_bytes())
    assert (known["format"], known["product"]) == (2, "Valkey")


def get(client: httpx.Client, path: str) -> Any:
    """The reply to a GET."""
    reply = client.get(path)
    assert reply.status_code == httpx.codes.OK, reply.text
    return reply.json()
