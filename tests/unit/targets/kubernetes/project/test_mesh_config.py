"""Where a mesh-wide outbound policy is written: to MeshConfig, a Sidecar, or both."""

import pytest

from egress_server.domain.model.clusters import MeshPolicyBackend
from egress_server.domain.model.selectors import Scope
from tests.support.meshes import policy
from tests.unit.targets.kubernetes.observations import ROOT, cluster, found, observe, one, projected, reasons

MESH = policy("REGISTRY_ONLY")
SPEC = {"outboundTrafficPolicy": {"mode": "REGISTRY_ONLY"}}
TEXT = found("ConfigMap", "istio", {"mesh": ""}, namespace=ROOT)


@pytest.mark.parametrize(
    ("backend", "kinds"),
    [
        (MeshPolicyBackend.BOTH, ["MeshConfig", "Sidecar"]),
        (MeshPolicyBackend.MESH_CONFIG, ["MeshConfig"]),
        (MeshPolicyBackend.SIDECAR, ["Sidecar"]),
    ],
)
def test_the_registration_decides(backend: MeshPolicyBackend, kinds: list[str]) -> None:
    """The same mode in each place; of MeshConfig only our field."""
    projection = projected(cluster(mesh_policy=backend), observe(TEXT), MESH)
    assert sorted(obj["kind"] for obj in projection.objects) == kinds
    assert [obj["spec"] for obj in projection.objects] == [SPEC] * len(kinds)
    assert reasons(projection) == {}
    if "MeshConfig" in kinds:
        assert one(projection, "MeshConfig")["metadata"]["labels"] == {}


def test_narrower_policies_have_only_sidecars() -> None:
    """MeshConfig has no namespaces."""
    narrow = [
        policy("ALLOW_ANY", "shop", scope=Scope("shop")),
        policy("ALLOW_ANY", "web", scope=Scope("shop", {"a": "b"})),
    ]
    projection = projected(cluster(mesh_policy=MeshPolicyBackend.MESH_CONFIG), observe(TEXT), *narrow)
    assert [obj["kind"] for obj in projection.objects] == ["Sidecar", "Sidecar"]


def test_a_missing_revision_is_reported() -> None:
    """If both are wanted, the Sidecar is written anyway."""
    projection = projected(cluster(mesh_policy=MeshPolicyBackend.BOTH), observe(TEXT, revision="canary"), MESH)
    assert [obj["kind"] for obj in projection.objects] == ["Sidecar"]
    assert reasons(projection) == {"all": "UNSUPPORTED"}
    assert "istio-system/istio-canary" in projection.obstacles[MESH.name].message
