"""SetInterceptionCIDRs through the transport."""

from datetime import UTC, datetime
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict

from egress.v1 import egress_service_pb2 as pb
from egress_server.commands.mutate import Mutation
from egress_server.contract.policies import write_interception
from egress_server.domain.model.changes import Versioned
from egress_server.domain.model.resources import Interception, OutboundMode, OutboundPolicy
from egress_server.domain.model.selectors import ClusterSelector, Scope
from egress_server.wire import METHODS
from egress_server.wire.grammar.names import scoped_id
from tests.support.violations import violations_of

MESH = "meshes/default"
NOW = datetime(2026, 11, 23, tzinfo=UTC)
SET = METHODS["/egress.v1.EgressService/SetInterceptionCIDRs"]


def setting(**interception: Any) -> pb.SetInterceptionCIDRsRequest:
    """A request, with the interception's fields in JSON names."""
    return ParseDict({"parent": MESH, "interception": interception}, pb.SetInterceptionCIDRsRequest())


def interception_of(**fields: Any) -> Interception:
    """What a request sets."""
    mutation = SET.decode(setting(**fields))
    assert isinstance(mutation, Mutation)
    assert isinstance(mutation.resource, Interception)
    return mutation.resource


def test_every_field_comes_and_goes() -> None:
    """What is set is stored, and what is stored is returned."""
    policy = interception_of(
        scope={"namespace": "prod", "matchLabels": {"app": "shop"}},
        includeCidrs=["10.0.0.0/8", "2001:DB8::/32"],
        excludeCidrs=["10.1.0.0/16"],
        includeServiceCidrs=True,
        includeOutboundPorts=[80],
        excludeOutboundPorts=[443],
        clusterSelector={"matchLabels": {"env": "prod"}},
    )
    assert policy == Interception(
        policy.name,
        Scope("prod", {"app": "shop"}),
        ("10.0.0.0/8", "2001:db8::/32"),
        ("10.1.0.0/16",),
        True,
        False,
        (80,),
        (443,),
        ClusterSelector((), {"env": "prod"}),
    )
    shown = write_interception(Versioned(policy, 3, NOW, NOW), "epoch")
    mutation = SET.decode(pb.SetInterceptionCIDRsRequest(interception=shown))
    assert mutation.resource == policy  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("fields", "stored"),
    [
        ({}, Interception(f"{MESH}/interceptions/default")),
        ({"includeCidrs": ["*"]}, Interception(f"{MESH}/interceptions/default")),
        ({"none": True}, Interception(f"{MESH}/interceptions/default", none=True)),
    ],
)
def test_all_and_none(fields: dict[str, Any], stored: Interception) -> None:
    """An empty list means everything, as does '*'; nothing is required."""
    assert interception_of(**fields) == stored


@pytest.mark.parametrize(
    ("fields", "paths"),
    [
        ({"includeCidrs": ["*"], "none": True}, ["interception.none"]),
        ({"includeCidrs": ["*"], "includeServiceCidrs": True}, ["interception.include_service_cidrs"]),
        ({"includeCidrs": ["*", "10.0.0.0/8"]}, ["interception.include_cidrs"]),
        (
            {"includeCidrs": ["10.0.0.1/8"], "excludeCidrs": ["10.0.0.1"]},
            [
                "interception.include_cidrs[0]",
                "interception.exclude_cidrs[0]",
            ],
        ),
        ({"name": f"{MESH}/outboundPolicies/x"}, ["interception.name"]),
        ({"scope": {"matchLabels": {"a": "b"}}}, ["interception.scope.match_labels"]),
    ],
)
def test_refused(fields: dict[str, Any], paths: list[str]) -> None:
    """With the paths that the caller used."""
    assert [field for field, _ in violations_of(lambda: SET.decode(setting(**fields)))] == paths


def test_ids_are_made_as_for_outbound_policies() -> None:
    """Derived from the scope, whatever the policy."""
    scope, selector = Scope("prod", {"app": "x"}), ClusterSelector(("east",))
    outbound = OutboundPolicy("", OutboundMode.ALLOW_ANY, scope, selector)
    assert scoped_id(Interception("", scope, cluster_selector=selector)) == scoped_id(outbound)
    assert scoped_id(Interception("", none=True)) == "default"
