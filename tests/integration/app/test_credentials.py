"""A cluster's credentials never leave the server: they are not in responses, errors or logs, nor in stored data."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.app.requests import MESH, ok
from tests.integration.app.transports import GrpcTransport, Json, RestTransport, Transport
from tests.support.egressd import Egressd, run_cli, running
from tests.support.kubeconfigs import CANARY, kubeconfig

pytestmark = pytest.mark.xdist_group("app-credentials")


@pytest.fixture(scope="module")
def egressd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Egressd]:
    """An egressd without clusters."""
    with running(tmp_path_factory.mktemp("credentials")) as started:
        yield started


def registration(id_: str, config: str, **fields: object) -> Json:
    """Registers a Kubernetes cluster."""
    return {"parent": MESH, "clusterId": id_, "cluster": {"kubernetes": {"kubeconfig": config}}, **fields}


def kept(egressd: Egressd) -> bytes:
    """Everything egressd has written: its data, the store's files, its log."""
    files = [path for path in egressd.data_dir.rglob("*") if path.is_file()]
    assert any("appendonly" in path.name for path in files)
    return b"".join(path.read_bytes() for path in [*files, egressd.log])


@pytest.mark.parametrize("transport", ["grpc", "rest"])
def test_nothing_shows_them(transport: str, egressd: Egressd, by_grpc: GrpcTransport, by_rest: RestTransport) -> None:
    """They are not in the response, any later read, the plan, or an error."""
    via: Transport = by_grpc if transport == "grpc" else by_rest
    planned = ok(via.call("RegisterCluster", registration(transport, kubeconfig(), validateOnly=True)))
    made = ok(via.call("RegisterCluster", registration(transport, kubeconfig(), requestId=f"r-{transport}")))
    assert ok(via.call("RegisterCluster", registration(transport, kubeconfig(), requestId=f"r-{transport}"))) == made
    other = registration(transport, kubeconfig({"token": "another"}), requestId=f"r-{transport}")
    reused = via.call("RegisterCluster", other)
    assert reused.reason == "REQUEST_ID_REUSED"
    bad = [
        via.call("RegisterCluster", registration(transport, text))
        for text in (kubeconfig({"exec": {"command": CANARY}}), f"{CANARY}: [", f"a: b\nspec:\n{CANARY}: c")
    ]
    assert [answer.fields for answer in bad] == [["cluster.kubernetes.kubeconfig"]] * 3
    name = f"{MESH}/clusters/{transport}"
    shown = ok(via.call("GetCluster", {"name": name}))
    assert shown["kubernetes"] == {"context": "c0", "rootNamespace": "istio-system", "meshPolicy": "BOTH"}
    change = {"name": made["change"]["name"]}
    seen = [
        planned,
        made,
        reused.body,
        *(answer.body for answer in bad),
        shown,
        ok(via.call("ListClusters", {"parent": MESH})),
        ok(via.call("GetChange", change)),
        ok(via.call("ListChanges", {"parent": MESH})),
        ok(via.call("ListClusterRollouts", {"parent": change["name"]})),
    ]
    assert CANARY not in json.dumps(seen)
    assert CANARY.encode() not in kept(egressd)


def test_they_are_kept_sealed(egressd: Egressd, by_grpc: GrpcTransport, tmp_path: Path) -> None:
    """They are in the store, unreadable without the key, also after a restart; the same for a registration by
    egressctl."""
    config = tmp_path / "config"
    config.write_text(kubeconfig())
    words = ("cluster", "register", "cli", "--target", "kubernetes", "--kubeconfig", str(config), "--no-wait")
    done = run_cli("egress.cli", *words, "-o", "json", server=egressd.grpc)
    assert done.returncode == 0, done.stderr
    assert CANARY not in done.stdout + done.stderr
    key = egressd.data_dir / "credentials.key"
    assert key.stat().st_mode & 0o777 == 0o600
    before = key.read_bytes()
    assert egressd.stop() == 0
    everything = kept(egressd)
    assert CANARY.encode() not in everything
    assert b'"kubeconfig":"1:' in everything
    egressd.start()
    ok(by_grpc.call("GetCluster", {"name": f"{MESH}/clusters/cli"}))
    assert key.read_bytes() == before


def test_a_key_of_ones_own(tmp_path: Path) -> None:
    """A key file that is named must exist."""
    words = ("run", "--data-dir", str(tmp_path / "data"), "--credentials-key-file", str(tmp_path / "key"))
    addresses = ("--grpc-address", f"unix:{tmp_path}/grpc", "--http-address", "127.0.0.1:0")
    done = run_cli("egress_server.cli", *words, *addresses)
    assert done.returncode == 1
    assert f"{tmp_path}/key: No such file or directory" in done.stderr
