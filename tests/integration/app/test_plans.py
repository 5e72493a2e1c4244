"""validate_only and findings: what would happen, in readable form, and nothing happens."""

import json

import pytest

from tests.integration.app.requests import MESH, delete, entry, head, ok, policy
from tests.integration.app.transports import GrpcTransport, Json, RestTransport
from tests.support.egressd import Egressd, run_cli

pytestmark = pytest.mark.xdist_group("app-plans")

_TCP = [{"number": 80, "name": "tcp", "protocol": "TCP"}]


def _objects(reply: Json) -> list[Json]:
    return [planned for group in reply["plan"]["groups"] for planned in group["objects"]]


def test_plan_of_something_new(by_grpc: GrpcTransport, by_rest: RestTransport) -> None:
    """A plan of a new entry names the cluster, the object and every line of it."""
    before = head(by_grpc)
    reply = ok(by_rest.call("UpsertServiceEntry", {**entry("planned"), "validateOnly": True}))
    (group,) = reply["plan"]["groups"]
    assert (group["clusters"], group["clusterCount"]) == (["one"], 1)
    (planned,) = group["objects"]
    assert (planned["action"], planned["kind"], planned["namespace"]) == ("CREATE", "ServiceEntry", "prod")
    assert "+  - planned.example.com\n" in planned["diff"]
    assert "\n-" not in planned["diff"].replace("\n---", "")
    assert "change" not in reply
    assert head(by_grpc) == before
    assert by_grpc.call("GetServiceEntry", {"name": reply["serviceEntry"]["name"]}).code == 5


def test_plan_of_change_and_deletion(by_grpc: GrpcTransport) -> None:
    """A plan of an update shows only what differs; that of a deletion removes everything."""
    made = ok(by_grpc.call("UpsertServiceEntry", entry("existing")))
    request = {**entry("existing", hosts=["existing.example.com", "more.example.com"]), "validateOnly": True}
    (planned,) = _objects(ok(by_grpc.call("UpsertServiceEntry", request)))
    assert planned["action"] == "UPDATE"
    changed = [line for line in planned["diff"].splitlines()[2:] if line[0] in "+-"]
    assert changed == ["+  - more.example.com"], planned["diff"]
    gone = {"name": made["serviceEntry"]["name"], "validateOnly": True}
    (planned,) = _objects(ok(by_grpc.call("DeleteServiceEntry", gone)))
    assert planned["action"] == "DELETE"
    same = ok(by_grpc.call("UpsertServiceEntry", {**entry("existing"), "validateOnly": True}))
    assert _objects({"plan": {"groups": [], **same["plan"]}}) == []
    delete(by_grpc, made)


def test_plan_still_refuses(by_grpc: GrpcTransport, by_rest: RestTransport) -> None:
    """A plan returns the same refusal as the call itself."""
    wrong: list[tuple[str, Json]] = [
        ("UpsertServiceEntry", {**entry("wrong"), "etag": "a.1"}),
        ("SetOutboundPolicy", {**policy(mode=9)}),
        ("DeleteServiceEntry", {"name": f"{MESH}/namespaces/prod/serviceEntries/missing"}),
    ]
    for rpc, request in wrong:
        answers = [transport.call(rpc, {**request, "validateOnly": True}) for transport in (by_grpc, by_rest)]
        assert answers[0].code != 0
        assert answers[0].body == answers[1].body == by_grpc.call(rpc, request).body


def test_conflict_refused_then_forced(by_grpc: GrpcTransport, by_rest: RestTransport) -> None:
    """Two protocols for one host and port: an ERROR finding that a plan shows, a call refuses and suppression
    overrides."""
    first = ok(by_grpc.call("UpsertServiceEntry", entry("first", hosts=["shared.example.com"])))
    second = entry("second", hosts=["shared.example.com"], ports=_TCP)
    planned = ok(by_rest.call("UpsertServiceEntry", {**second, "validateOnly": True}))
    assert [f["code"] for f in planned["findings"] if f["severity"] == "ERROR"] == ["EGR0101"]

    answers = by_grpc.call("UpsertServiceEntry", second), by_rest.call("UpsertServiceEntry", second)
    assert answers[0].body == answers[1].body
    assert (answers[1].code, answers[1].reason, answers[1].http) == (9, "BLOCKED_BY_FINDINGS", 400)
    findings = [d for d in answers[1].body["details"] if d["@type"].endswith("egress.v1.Finding")]
    (finding,) = [f for f in findings if f["severity"] == "ERROR"]
    assert (finding["code"], finding["severity"], finding["suppressible"]) == ("EGR0101", "ERROR", True)
    assert finding["resource"] == first["serviceEntry"]["name"]
    assert finding["fix"]

    forced = ok(by_rest.call("UpsertServiceEntry", {**second, "suppressFindings": ["EGR0101"]}))
    assert [f["code"] for f in forced["findings"] if f["severity"] == "ERROR"] == ["EGR0101"]
    assert forced["change"]["findings"] == forced["findings"]
    delete(by_grpc, forced)
    delete(by_grpc, first)


def test_by_the_command_line(egressd: Egressd, by_grpc: GrpcTransport) -> None:
    """--dry-run shows the diff, and findings in JSON have a severity; a refusal exits with 1 and can be overridden."""

    def ctl(*words: str) -> tuple[int, str, str]:
        done = run_cli("egress.cli", "entry", *words, server=egressd.grpc)
        return done.returncode, done.stdout, done.stderr

    code, out, _ = ctl("upsert", "cli-a", "--host", "cli.example.com", "--port", "80:HTTP", "--dry-run")
    assert code == 0
    assert "+  - cli.example.com" in out
    assert ctl("upsert", "cli-a", "--host", "cli.example.com", "--port", "80:HTTP")[0] == 0
    conflicting = ("upsert", "cli-b", "--host", "cli.example.com", "--port", "80:TCP")
    code, out, _ = ctl(*conflicting, "--dry-run", "-o", "json")
    assert json.loads(out)["findings"][0]["severity"] == "ERROR"
    code, out, err = ctl(*conflicting)
    assert code == 1
    assert "EGR0101" in err
    code, out, err = ctl(*conflicting, "--suppress", "EGR0101")
    assert code == 0, err
    for id_ in ("cli-a", "cli-b"):
        assert ctl("delete", id_)[0] == 0
    assert head(by_grpc)
