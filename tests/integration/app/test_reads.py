"""Lists, history and rollouts."""

import json

import pytest

from tests.integration.app.requests import MESH, entry, head, ok, policy
from tests.integration.app.transports import GrpcTransport, Json, RestTransport, Transport
from tests.support.egressd import Egressd, run_cli

pytestmark = pytest.mark.xdist_group("app-reads")


@pytest.fixture(scope="module", autouse=True)
def filled(by_grpc: GrpcTransport) -> None:
    """Five entries in two namespaces, and two policies."""
    for id_ in ("a", "b", "c", "d", "e"):
        request = {**entry(id_), "reason": f"reason of {id_}"}
        request["parent"] = f"{MESH}/namespaces/{'left' if id_ in 'abc' else 'right'}"
        ok(by_grpc.call("UpsertServiceEntry", request))
    ok(by_grpc.call("SetOutboundPolicy", {**policy(), "outboundPolicyId": "first"}))
    ok(by_grpc.call("SetOutboundPolicy", {**policy(mode="ALLOW_ANY"), "outboundPolicyId": "second"}))


def entries(transport: Transport, namespace: str, **request: object) -> tuple[list[str], str]:
    """The ids of one page, and the token of the next."""
    body = ok(transport.call("ListServiceEntries", {"parent": f"{MESH}/namespaces/{namespace}", **request}))
    return [item["name"].rpartition("/")[2] for item in body.get("serviceEntries", [])], body.get("nextPageToken", "")


def test_namespaces(by_rest: RestTransport) -> None:
    """A list covers one namespace, or all with `-`."""
    assert entries(by_rest, "left")[0] == ["a", "b", "c"]
    assert entries(by_rest, "right")[0] == ["d", "e"]
    assert entries(by_rest, "empty")[0] == []
    assert entries(by_rest, "-")[0] == ["a", "b", "c", "d", "e"]


def test_pages(by_grpc: GrpcTransport, by_rest: RestTransport) -> None:
    """Page tokens lead through all pages over either transport, in both orders, and are valid for their own list
    only."""
    for order in ("name", "name desc"):
        seen: list[str] = []
        token = ""
        transports: list[Transport] = [by_grpc, by_rest] * 2
        for transport in transports:
            page, token = entries(transport, "-", pageSize=2, pageToken=token, orderBy=order)
            seen += page
            if not token:
                break
        assert seen == sorted("abcde", reverse=order.endswith("desc"))
    _, token = entries(by_grpc, "-", pageSize=2)
    for other in ({"orderBy": "name desc"}, {"filter": 'name != "x"'}):
        request = {"parent": f"{MESH}/namespaces/-", "pageToken": token, **other}
        answer = by_rest.call("ListServiceEntries", request)
        assert (answer.code, answer.fields) == (3, ["page_token"]), str(answer)
    assert by_rest.call("ListServiceEntries", {"parent": f"{MESH}/namespaces/left", "pageToken": token}).code == 3


def test_a_page_larger_than_any(by_rest: RestTransport) -> None:
    """A page size over the limit is reduced, not refused."""
    assert entries(by_rest, "-", pageSize=2**31 - 1)[0] == ["a", "b", "c", "d", "e"]


@pytest.mark.parametrize(
    ("rpc", "filter_", "found"),
    [
        ("ListServiceEntries", 'hosts:"b.example.com"', ["b"]),
        ("ListServiceEntries", f'name = "{MESH}/namespaces/right/serviceEntries/d"', ["d"]),
        ("ListServiceEntries", 'resolution = DNS AND hosts:"e.example.com"', ["e"]),
        ("ListOutboundPolicies", "mode = ALLOW_ANY", ["second"]),
        ("ListOutboundPolicies", 'mode != "ALLOW_ANY"', ["first"]),
        ("ListClusters", "labels.tier = gold", []),
        ("ListClusters", f'name = "{MESH}/clusters/one"', ["one"]),
    ],
)
def test_filters(by_grpc: GrpcTransport, by_rest: RestTransport, rpc: str, filter_: str, found: list[str]) -> None:
    """Filters select by fields, over both transports."""
    parent = f"{MESH}/namespaces/-" if rpc == "ListServiceEntries" else MESH
    transports: list[Transport] = [by_grpc, by_rest]
    for transport in transports:
        body = ok(transport.call(rpc, {"parent": parent, "filter": filter_}))
        items = next((value for value in body.values() if isinstance(value, list)), [])
        assert [item["name"].rpartition("/")[2] for item in items] == found


def _revisions(body: Json) -> list[int]:
    return [int(change["revision"]) for change in body.get("changes", [])]


def test_changes(by_grpc: GrpcTransport, by_rest: RestTransport) -> None:
    """History is newest first, gap-free, filterable and paged; a change is found by its name."""
    newest = head(by_grpc)
    everything = ok(by_rest.call("ListChanges", {"parent": MESH, "pageSize": 1000}))
    assert _revisions(everything) == list(range(newest, 0, -1))
    upwards = ok(by_rest.call("ListChanges", {"parent": MESH, "orderBy": "revision", "pageSize": 3}))
    assert _revisions(upwards) == [1, 2, 3]
    request = {"parent": MESH, "orderBy": "revision", "pageSize": 3, "pageToken": upwards["nextPageToken"]}
    assert _revisions(ok(by_grpc.call("ListChanges", request))) == [4, 5, 6]
    name = f"{MESH}/namespaces/left/serviceEntries/b"
    (change,) = ok(by_grpc.call("ListChanges", {"parent": MESH, "filter": f'resource = "{name}"'}))["changes"]
    assert (change["reason"], change["type"], change["durability"]) == ("reason of b", "SET", "LOCAL")
    assert change["actor"] == "local:unknown"
    found = ok(by_rest.call("GetChange", {"name": change["name"]}))
    assert {key: value for key, value in found.items() if key != "summary"} == change


def test_what_became_of_a_change(by_grpc: GrpcTransport, by_rest: RestTransport) -> None:
    """After waiting for a change, its summary counts clusters, and its rollouts include each of them."""
    name = ok(by_grpc.call("SetOutboundPolicy", {**policy(), "outboundPolicyId": "waited"}))["change"]["name"]
    waited = ok(by_rest.call("WaitChange", {"name": name, "until": "APPLIED", "timeout": "20s"}))
    assert waited["reached"]
    assert sum(waited["change"]["summary"].values()) == 1
    (rollout,) = ok(by_rest.call("ListClusterRollouts", {"parent": name}))["clusterRollouts"]
    assert rollout["cluster"] == f"{MESH}/clusters/one"
    assert rollout["state"] in {"APPLIED", "VERIFIED"}
    assert int(rollout["appliedRevision"]) >= int(name.rpartition("/")[2])
    cluster = ok(by_grpc.call("GetCluster", {"name": rollout["cluster"]}))
    assert cluster["status"]["state"] == "ONLINE"


def test_a_wait_that_ends_first(by_grpc: GrpcTransport, by_rest: RestTransport) -> None:
    """When its timeout expires, a wait returns the state; it is not an error."""
    selector = {"clusterSelector": {"clusters": ["one"]}}
    name = ok(by_grpc.call("SetOutboundPolicy", {**policy(**selector), "outboundPolicyId": "late"}))["change"]["name"]
    transports: list[Transport] = [by_grpc, by_rest]
    for transport in transports:
        body = ok(transport.call("WaitChange", {"name": name, "until": "VERIFIED", "timeout": "0s"}))
        assert body.get("reached") or [r["cluster"] for r in body["waitingFor"]] == [f"{MESH}/clusters/one"]


def test_by_the_command_line(egressd: Egressd) -> None:
    """egressctl lists, shows and waits."""

    def ctl(*words: str) -> Json:
        done = run_cli("egress.cli", *words, "-o", "json", server=egressd.grpc)
        assert done.returncode == 0, done.stderr
        answer: Json = json.loads(done.stdout)
        return answer

    assert len(ctl("entry", "list", "-n", "left")["serviceEntries"]) == 3
    assert len(ctl("outbound", "list")["outboundPolicies"]) >= 2
    assert ctl("cluster", "get", "one")["name"] == f"{MESH}/clusters/one"
    newest = ctl("changes", "list", "--limit", "1")["changes"][0]
    assert ctl("changes", "wait", newest["revision"])["reached"]
    assert ctl("changes", "get", newest["revision"])["clusterRollouts"]
