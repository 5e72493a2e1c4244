"""egressctl outbound."""

import yaml

from egress import OutboundPolicy
from egress.v1.common_pb2 import ClusterSelector, Scope
from egress.v1.egress_service_pb2 import (
    DeleteOutboundPolicyRequest,
    DeleteOutboundPolicyResponse,
    GetOutboundPolicyRequest,
    ListOutboundPoliciesRequest,
    ListOutboundPoliciesResponse,
    SetOutboundPolicyRequest,
)
from tests.unit.sdk.cli.conftest import Run
from tests.unit.sdk.cli.replies import CHANGE, POLICY, SET
from tests.unit.sdk.fake_server import FakeServer


def test_set(ctl: Run, server: FakeServer) -> None:
    """A mode is enough; the output has the result, its change and its findings."""
    server.answer("SetOutboundPolicy", SET)
    done = ctl("outbound", "set", "REGISTRY_ONLY")
    assert done.code == 0
    assert done.out.splitlines() == [
        "meshes/default/outboundPolicies/default set to REGISTRY_ONLY (change 17)",
        "WARNING EGR0200 outbound_policy.mode",
        "  cause: no entry exists",
        "  fix:   add one",
    ]


def test_set_with_every_option(ctl: Run, server: FakeServer) -> None:
    """Each option arrives in its field."""
    done = ctl(
        "outbound", "set", "allow-any", "-n", "shop", "--label", "app=web", "--label", "tier=a=b",
        "--cluster", "a", "--cluster", "b", "--cluster-label", "env=prod", "--id", "x", "--reason", "why",
        "--etag", "e", "--create-only", "--suppress", "EGR0101", "--request-id", "r", "--mesh", "m",
    )  # fmt: skip
    assert done.code == 0
    assert server.sent("SetOutboundPolicy") == [
        SetOutboundPolicyRequest(
            parent="meshes/m",
            outbound_policy_id="x",
            outbound_policy=OutboundPolicy(
                mode=OutboundPolicy.ALLOW_ANY,
                scope=Scope(namespace="shop", match_labels={"app": "web", "tier": "a=b"}),
                cluster_selector=ClusterSelector(clusters=["a", "b"], match_labels={"env": "prod"}),
            ),
            request_id="r",
            etag="e",
            create_only=True,
            reason="why",
            suppress_findings=["EGR0101"],
        )
    ]


def test_set_json(ctl: Run, server: FakeServer) -> None:
    """-o json prints the response as proto3 JSON, before or after the command."""
    server.answer("SetOutboundPolicy", SET)
    for words in (["-o", "json", "outbound", "set", "ALLOW_ANY"], ["outbound", "set", "ALLOW_ANY", "-o", "json"]):
        reply = ctl(*words).json
        assert reply["outboundPolicy"]["mode"] == "REGISTRY_ONLY"
        assert reply["change"]["revision"] == "17"
        assert reply["findings"][0]["severity"] == "WARNING"


def test_yaml(ctl: Run, server: FakeServer) -> None:
    """-o yaml prints the same as YAML; an option after the command takes precedence over one before it."""
    server.answer("GetOutboundPolicy", POLICY)
    done = ctl("-o", "json", "outbound", "get", "-o", "yaml")
    assert yaml.safe_load(done.out)["mode"] == "REGISTRY_ONLY"


def test_get(ctl: Run, server: FakeServer) -> None:
    """Without an ID it is the policy of the whole mesh."""
    server.answer("GetOutboundPolicy", POLICY)
    done = ctl("outbound", "get")
    assert done.out.splitlines() == [
        "NAME     MODE           SCOPE  CLUSTERS  REVISION  UPDATED             ",
        "default  REGISTRY_ONLY  mesh   all       17        2023-11-14 22:13:20Z",
    ]
    ctl("outbound", "get", "meshes/m/outboundPolicies/x")
    assert server.sent("GetOutboundPolicy") == [
        GetOutboundPolicyRequest(name="meshes/default/outboundPolicies/default"),
        GetOutboundPolicyRequest(name="meshes/m/outboundPolicies/x"),
    ]


def test_list_merges_pages(ctl: Run, server: FakeServer) -> None:
    """All pages are printed as one ListOutboundPoliciesResponse without a page token."""
    server.answer(
        "ListOutboundPolicies",
        ListOutboundPoliciesResponse(outbound_policies=[POLICY], next_page_token="2"),
        ListOutboundPoliciesResponse(outbound_policies=[OutboundPolicy(name="x")]),
    )
    listed = ctl("outbound", "list", "-o", "json", "--filter", "f", "--order-by", "name desc").json
    assert [policy["name"] for policy in listed["outboundPolicies"]] == [POLICY.name, "x"]
    assert "nextPageToken" not in listed
    assert server.sent("ListOutboundPolicies")[0] == ListOutboundPoliciesRequest(
        parent="meshes/default", filter="f", order_by="name desc", page_size=1000
    )


def test_list_limit(ctl: Run, server: FakeServer) -> None:
    """--limit requests no more items than it prints."""
    server.answer(
        "ListOutboundPolicies", ListOutboundPoliciesResponse(outbound_policies=[POLICY, POLICY], next_page_token="2")
    )
    done = ctl("outbound", "list", "--limit", "1")
    assert len(done.out.splitlines()) == 2
    assert len(server.sent("ListOutboundPolicies")) == 1


def test_delete(ctl: Run, server: FakeServer) -> None:
    """Delete takes an ID and the options of all mutations."""
    server.answer("DeleteOutboundPolicy", DeleteOutboundPolicyResponse(outbound_policy=POLICY, change=CHANGE))
    done = ctl("outbound", "delete", "default", "--request-id", "r", "--reason", "why")
    assert done.out == "meshes/default/outboundPolicies/default deleted (change 17)\n"
    assert server.sent("DeleteOutboundPolicy") == [
        DeleteOutboundPolicyRequest(name=POLICY.name, request_id="r", reason="why")
    ]


def test_usage(ctl: Run, server: FakeServer) -> None:
    """A value that is not valid exits with status 2, is named, and sends nothing."""
    for words, named in (
        (["CLOSED"], "CLOSED"),
        ([], "MODE"),
        (["ALLOW_ANY", "--label", "web"], "--label 'web'"),
        (["ALLOW_ANY", "--wait", "tomorrow"], "tomorrow"),
        (["ALLOW_ANY", "--timeout", "soon"], "soon"),
        (["ALLOW_ANY", "--nonsense"], "--nonsense"),
    ):
        done = ctl("outbound", "set", *words)
        assert (done.code, done.out) == (2, "")
        assert named in done.err
    assert server.requests == []
