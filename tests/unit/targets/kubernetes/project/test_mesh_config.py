"""Where a mesh-wide outbound policy goes: into MeshConfig, a Sidecar, or both."""

import pytest

from egress_server.domain.model.clusters import MeshPolicyBackend
from egress_server.domain.model.selectors import Scope
from tests.support.meshes import policy
from tests.unit.targets.kubernetes.clusters import ROOT, cluster, fitted, found, one, reasons, view

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
def test_the_registration_says_where(backend: MeshPolicyBackend, kinds: list[str]) -> None:
    """The same mode in each of the places, and of MeshConfig only our part."""
    fit = fitted(cluster(mesh_policy=backend), view(TEXT), MESH)
    assert sorted(obj["kind"] for obj in fit.objects) == kinds
    assert [obj["spec"] for obj in fit.objects] == [SPEC] * len(kinds)
    assert reasons(fit) == {}
    if "MeshConfig" in kinds:
        assert one(fit, "MeshConfig")["metadata"]["labels"] == {}


def test_narrower_policies_have_only_sidecars() -> None:
    """MeshConfig knows no namespaces."""
    narrow = [
        policy("ALLOW_ANY", "shop", scope=Scope("shop")),
        policy("ALLOW_ANY", "web", scope=Scope("shop", {"a": "b"})),
    ]
    fit = fitted(cluster(mesh_policy=MeshPolicyBackend.MESH_CONFIG), view(TEXT), *narrow)
    assert [obj["kind"] for obj in fit.objects] == ["Sidecar", "Sidecar"]


def test_a_revision_that_is_not_there_is_told() -> None:
    """The Sidecar goes there all the same, where both are wanted."""
    fit = fitted(cluster(mesh_policy=MeshPolicyBackend.BOTH), view(TEXT, revision="canary"), MESH)
    assert [obj["kind"] for obj in fit.objects] == ["Sidecar"]
    assert reasons(fit) == {"all": "UNSUPPORTED"}
    assert "istio-system/istio-canary" in fit.obstacles[MESH.name].message
