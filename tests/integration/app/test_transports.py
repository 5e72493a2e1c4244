"""Each mutation by gRPC and by REST: the same result, the same Change, and for refused ones the same Status."""

from functools import partial
from typing import Any

import pytest

from tests.integration.app.requests import MESH, cluster, delete, entry, head, ok, policy
from tests.integration.app.transports import GrpcTransport, Json, RestTransport, Transport
from tests.support.waiting import eventually

pytestmark = pytest.mark.xdist_group("app-transports")
OWN = {"name", "revision", "etag", "createTime", "updateTime", "acceptTime", "traceId", "previousRevision"}
"""Fields that are specific to one change or resource."""


def without_own(value: Any) -> Any:
    """A reply without what is specific to one change or resource, including the numbers in IDs and hosts."""
    if isinstance(value, dict):
        return {key: without_own(item) for key, item in value.items() if key not in OWN}
    if isinstance(value, list):
        return [without_own(item) for item in value]
    return value


@pytest.mark.parametrize(
    ("rpc", "request_"),
    [
        ("SetOutboundPolicy", policy()),
        ("SetOutboundPolicy", {**policy(), "reason": "because", "outboundPolicyId": "mine"}),
        (
            "SetOutboundPolicy",
            {**policy(clusterSelector={"clusters": ["two", "three"]}), "suppressFindings": ["EGR0503"]},
        ),
        ("SetOutboundPolicy", policy(scope={"namespace": "labelled", "matchLabels": {"app": "shop"}})),
        ("UpsertServiceEntry", {**entry(), "reason": "because"}),
        ("UpsertServiceEntry", entry(endpoints=[{"address": "203.0.113.7", "weight": 3}], exportTo=["."])),
        ("UpsertServiceEntry", entry(resolution="NONE", addresses=["203.0.113.0/24"], location="MESH_INTERNAL")),
    ],
)
def test_set_is_the_same_by_both_doors(
    by_grpc: GrpcTransport, by_rest: RestTransport, rpc: str, request_: Json
) -> None:
    """Setting the same thing by either transport gives the same resource and the same Change."""
    replies = []
    transports: tuple[Transport, ...] = (by_grpc, by_rest)
    for transport in transports:
        replies.append(ok(transport.call(rpc, request_)))
        delete(by_grpc, replies[-1])
    assert without_own(replies[0]) == without_own(replies[1])
    assert replies[0]["change"]["resource"] == replies[1]["change"]["resource"]


@pytest.mark.parametrize(
    ("set_rpc", "request_", "kind", "delete_rpc"),
    [
        ("SetOutboundPolicy", policy(), "outboundPolicy", "DeleteOutboundPolicy"),
        ("UpsertServiceEntry", entry(), "serviceEntry", "DeleteServiceEntry"),
    ],
)
def test_delete_is_the_same_by_both_doors(
    by_grpc: GrpcTransport, by_rest: RestTransport, set_rpc: str, request_: Json, kind: str, delete_rpc: str
) -> None:
    """Deleting by either transport gives the last state and the same Change."""
    replies = []
    transports: tuple[Transport, ...] = (by_grpc, by_rest)
    for transport in transports:
        name = ok(transport.call(set_rpc, request_))[kind]["name"]
        replies.append(ok(transport.call(delete_rpc, {"name": name, "reason": "no longer"})))
    assert without_own(replies[0]) == without_own(replies[1])
    assert replies[0]["change"]["type"] == "DELETE"


def test_register_is_the_same_by_both_doors(by_grpc: GrpcTransport, by_rest: RestTransport) -> None:
    """Registering a cluster again by either transport gives the same registration and the same Change."""
    request = {"parent": MESH, "clusterId": "one", "cluster": {"local": {}, "labels": {"tier": "gold"}}}
    replies = [ok(by_grpc.call("RegisterCluster", request)), ok(by_rest.call("RegisterCluster", request))]
    assert without_own(replies[0]) == without_own(replies[1])
    assert replies[0]["change"]["type"] == "REGISTER"


def test_reads_are_the_same_by_both_doors(by_grpc: GrpcTransport, by_rest: RestTransport) -> None:
    """Reads over both transports are identical, once the cluster's state stays the same from one to the other."""
    made = ok(by_grpc.call("UpsertServiceEntry", entry("read-me")))
    set_ = ok(by_rest.call("SetOutboundPolicy", policy()))
    change = made["change"]["name"]
    ok(by_grpc.call("WaitChange", {"name": change, "timeout": "20s"}))
    reads: list[tuple[str, Json]] = [
        ("GetServiceEntry", {"name": made["serviceEntry"]["name"]}),
        ("ListServiceEntries", {"parent": f"{MESH}/namespaces/-"}),
        ("GetOutboundPolicy", {"name": set_["outboundPolicy"]["name"]}),
        ("ListOutboundPolicies", {"parent": MESH}),
        ("GetChange", {"name": change}),
        ("ListChanges", {"parent": MESH, "pageSize": 3}),
        ("ListClusterRollouts", {"parent": change}),
    ]

    def alike(rpc: str, request: Json) -> bool:
        return ok(by_grpc.call(rpc, request)) == ok(by_rest.call(rpc, request))

    for rpc, request in reads:
        eventually(partial(alike, rpc, request), rpc)


def test_validate_only_is_the_same_by_both_doors(by_grpc: GrpcTransport, by_rest: RestTransport) -> None:
    """A plan is the same over both transports, and neither changes anything."""
    before = head(by_grpc)
    for rpc, request in (
        ("UpsertServiceEntry", entry("planned")),
        ("SetOutboundPolicy", policy()),
        ("RegisterCluster", cluster()),
    ):
        replies = [ok(transport.call(rpc, {**request, "validateOnly": True})) for transport in (by_grpc, by_rest)]
        replies = [_without_times(reply) for reply in replies]
        assert replies[0] == replies[1]
        assert "change" not in replies[0]
    assert head(by_grpc) == before


def _without_times(reply: Json) -> Json:
    return {key: _dated(item) if isinstance(item, dict) else item for key, item in reply.items()}


def _dated(item: Json) -> Json:
    return {key: value for key, value in item.items() if key not in {"createTime", "updateTime"}}
