"""The document's YAML, unchanged, over both transports; and its text pasted from the page, without indentation."""

import json
from pathlib import Path

import pytest

import egress
from egress import EgressClient
from tests.integration.app.requests import MESH, ok
from tests.integration.app.test_transports import without_own
from tests.integration.app.transports import GrpcTransport, Json, RestTransport
from tests.support.egressd import Egressd, run_cli

pytestmark = pytest.mark.xdist_group("app-seed")

SEED = Path("examples/aliyun-serviceentry.yaml")
NAME = f"{MESH}/namespaces/default/serviceEntries/aliyun-com-ext"


@pytest.fixture
def flat(tmp_path: Path) -> Path:
    """The document as it is pasted: every line starts at the left margin."""
    path = tmp_path / "flat.yaml"
    path.write_text("".join(line.lstrip() for line in SEED.read_text().splitlines(keepends=True)))
    return path


def test_the_document_goes_in_unchanged(egressd: Egressd, by_grpc: GrpcTransport, by_rest: RestTransport) -> None:
    """CLI, REST with JSON, REST with YAML, gRPC and SDK make the same resource from the document's file."""
    text, path = SEED.read_text(), f"/v1/{MESH}/serviceEntries:upsert"
    done = run_cli("egress.cli", "entry", "upsert", "-f", str(SEED), "-o", "json", server=egressd.grpc)
    assert done.returncode == 0, done.stderr
    by_sdk = EgressClient(egressd.grpc)
    made: list[Json] = [json.loads(done.stdout)]
    made.append(ok(by_rest.call("UpsertServiceEntry", {"parent": MESH, "istioYaml": text})))
    made.append(ok(by_rest.send("POST", path, SEED.read_bytes(), **{"content-type": "application/yaml"})))
    made.append(ok(by_grpc.call("UpsertServiceEntry", {"parent": MESH, "istioYaml": text})))
    with by_sdk as client:
        client.upsert_service_entry(yaml=text)
    resources = [without_own(reply["serviceEntry"]) for reply in made]
    resources.append(without_own(ok(by_grpc.call("GetServiceEntry", {"name": NAME}))))
    assert all(resource == resources[0] for resource in resources)
    assert made[0]["serviceEntry"]["name"] == NAME
    assert resources[0]["hosts"] == ["www.aliyun.com"]
    assert [(port["number"], port["protocol"]) for port in resources[0]["ports"]] == [(80, "HTTP"), (443, "HTTPS")]
    assert (resources[0]["resolution"], resources[0]["location"]) == ("DNS", "MESH_EXTERNAL")


def test_the_documents_text_pasted_flat(
    egressd: Egressd, by_grpc: GrpcTransport, by_rest: RestTransport, flat: Path
) -> None:
    """If pasted flat, every transport reports that the indentation is missing, and where."""
    text, path = flat.read_text(), f"/v1/{MESH}/serviceEntries:upsert"
    answers = [
        by_grpc.call("UpsertServiceEntry", {"parent": MESH, "istioYaml": text}),
        by_rest.call("UpsertServiceEntry", {"parent": MESH, "istioYaml": text}),
        by_rest.send("POST", path, flat.read_bytes(), **{"content-type": "application/yaml"}),
    ]
    for answer in answers:
        assert (answer.code, answer.reason, answer.fields) == (3, "INVALID_YAML", ["istio_yaml"]), str(answer)
        assert "indentation is missing" in answer.body["message"]
        assert "line 3" in answer.body["message"]
        assert answer.body == answers[0].body
    done = run_cli("egress.cli", "entry", "upsert", "-f", str(flat), server=egressd.grpc)
    assert done.returncode == 1
    assert "indentation is missing" in done.stderr
    with EgressClient(egressd.grpc) as client, pytest.raises(egress.InvalidArgument, match="indentation is missing"):
        client.upsert_service_entry(yaml=text)


def test_by_standard_input_into_a_namespace(egressd: Egressd) -> None:
    """`-f -` reads standard input, and the request's namespace applies if the YAML has none."""
    done = run_cli(
        "egress.cli", "entry", "upsert", "-f", "-", "-n", "shop", "-o", "json",
        server=egressd.grpc, stdin=SEED.read_text(),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["serviceEntry"]["name"] == NAME.replace("/default/s", "/shop/s")
