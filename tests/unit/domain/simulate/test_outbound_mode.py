"""Which outbound mode applies to a workload: managed and foreign Sidecars, and MeshConfig."""

from typing import Any

import pytest

from egress_server.domain.desired.cluster_view import with_inventory
from egress_server.domain.desired.effective import Effective, effective
from egress_server.domain.model.clusters import MeshPolicyBackend
from egress_server.domain.model.resources import Resource
from egress_server.domain.model.selectors import Scope
from egress_server.domain.observed.inventory import ForeignSidecar
from egress_server.domain.simulate.outbound_mode import EffectiveMode, effective_mode, istio_config_map
from tests.support.inventories import AFTER, BEFORE, inventory, kubernetes, sidecar
from tests.support.meshes import BIRTH, History, policy

STRICT = policy("REGISTRY_ONLY")
SHOP = policy("ALLOW_ANY", "shop", scope=Scope("default"))
WEB = policy("ALLOW_ANY", "web", scope=Scope("default", {"app": "web"}))
LABELS = {"app": "web", "tier": "1"}


def seen(
    *there: Resource | ForeignSidecar, backend: MeshPolicyBackend = MeshPolicyBackend.BOTH, **fields: Any
) -> Effective:
    """A cluster with these managed policies and foreign Sidecars."""
    east = kubernetes(mesh_policy=backend)
    policies = [each for each in there if not isinstance(each, ForeignSidecar)]
    sidecars = tuple(each for each in there if isinstance(each, ForeignSidecar))
    wanted = effective(History(east, *policies).snapshot, east, BIRTH)
    return with_inventory(wanted, inventory(sidecars=sidecars, **fields))


def said(mode: EffectiveMode) -> tuple[str, str]:
    """The mode, and the end of the name of its source."""
    return mode.mode, (mode.policy.name if mode.policy else mode.source).rpartition("/")[2]


ROOT = sidecar(namespace="istio-system", name="root", mode="ALLOW_ANY")
NEAR = sidecar(mode="REGISTRY_ONLY")
MUTE = sidecar("./*")
FOR_WEB = sidecar(match_labels={"app": "web"}, name="web", mode="REGISTRY_ONLY")


@pytest.mark.parametrize(
    ("there", "mesh_mode", "expected"),
    [
        ((), "", ("ALLOW_ANY", "")),
        ((), "REGISTRY_ONLY", ("REGISTRY_ONLY", "istio")),
        ((STRICT,), "ALLOW_ANY", ("REGISTRY_ONLY", "all")),
        ((ROOT,), "REGISTRY_ONLY", ("ALLOW_ANY", "root")),
        ((STRICT, ROOT), "", ("REGISTRY_ONLY", "all")),
        ((NEAR,), "ALLOW_ANY", ("REGISTRY_ONLY", "theirs")),
        ((policy("ALLOW_ANY"), NEAR), "", ("REGISTRY_ONLY", "theirs")),
        ((MUTE,), "REGISTRY_ONLY", ("REGISTRY_ONLY", "istio")),
        ((MUTE,), "", ("ALLOW_ANY", "")),
        ((STRICT, MUTE), "ALLOW_ANY", ("REGISTRY_ONLY", "all")),
        ((SHOP, NEAR), "", ("ALLOW_ANY", "shop")),
        ((SHOP, STRICT), "", ("ALLOW_ANY", "shop")),
        ((FOR_WEB,), "", ("ALLOW_ANY", "")),
    ],
)
def test_without_labels(
    there: tuple[Resource | ForeignSidecar, ...], mesh_mode: str, expected: tuple[str, str]
) -> None:
    """The namespace's Sidecar replaces the root's entirely; one without a mode falls back to MeshConfig."""
    assert said(effective_mode(seen(*there, mesh_mode=mesh_mode), "default")) == expected


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        ((FOR_WEB, SHOP), ("REGISTRY_ONLY", "web")),
        ((WEB, NEAR), ("ALLOW_ANY", "web")),
        ((WEB, FOR_WEB), ("REGISTRY_ONLY", "web")),
        ((WEB, sidecar(match_labels={"app": "web"}, mode="REGISTRY_ONLY", born=AFTER)), ("ALLOW_ANY", "web")),
        ((sidecar(match_labels={"app": "db"}, mode="REGISTRY_ONLY"), SHOP), ("ALLOW_ANY", "shop")),
        ((sidecar(match_labels={"app": "web"}), SHOP, STRICT), ("REGISTRY_ONLY", "all")),
    ],
)
def test_with_labels(there: tuple[Resource | ForeignSidecar, ...], expected: tuple[str, str]) -> None:
    """The oldest Sidecar that selects the workload takes precedence over all others."""
    assert said(effective_mode(seen(*there), "default", LABELS)) == expected


def test_one_back_end_alone() -> None:
    """Without a managed Sidecar the root's mode applies; without MeshConfig, a Sidecar without a mode is a policy
    gap."""
    config, root = MeshPolicyBackend.MESH_CONFIG, MeshPolicyBackend.SIDECAR
    assert said(effective_mode(seen(STRICT, backend=config), "default")) == ("REGISTRY_ONLY", "all")
    assert said(effective_mode(seen(STRICT, ROOT, backend=config), "default")) == ("ALLOW_ANY", "root")
    assert said(effective_mode(seen(STRICT, MUTE, backend=config), "default")) == ("REGISTRY_ONLY", "all")
    escaped = effective_mode(seen(STRICT, MUTE, backend=root, mesh_mode="ALLOW_ANY"), "default")
    assert said(escaped) == ("ALLOW_ANY", "istio")
    assert escaped.allows_unregistered
    assert not effective_mode(seen(STRICT, backend=root), "default").allows_unregistered


def test_oldest_of_two() -> None:
    """Of two Sidecars without a selector the older one applies."""
    two = (sidecar(name="b", mode="ALLOW_ANY", born=BEFORE), sidecar(name="a", mode="REGISTRY_ONLY", born=BIRTH))
    assert said(effective_mode(seen(*two), "default")) == ("ALLOW_ANY", "b")


def test_whose_egress_hosts_hold() -> None:
    """A managed policy is added to an existing Sidecar, or copies the egress hosts of the one that it displaces."""
    assert effective_mode(seen(SHOP, MUTE), "default").sidecar == MUTE
    assert effective_mode(seen(SHOP, ROOT), "default").sidecar == ROOT
    assert effective_mode(seen(WEB, MUTE, ROOT), "default", LABELS).sidecar == MUTE
    assert effective_mode(seen(STRICT, ROOT), "default").sidecar == ROOT
    assert effective_mode(seen(MUTE, ROOT), "default").sidecar == MUTE
    assert effective_mode(seen(STRICT), "default").sidecar is None


def test_revisions_have_their_own_config() -> None:
    """The name of the ConfigMap contains the revision."""
    east = kubernetes(istio_revision="canary")
    assert (
        istio_config_map(effective(History(east).snapshot, east, BIRTH), "istio")
        == "ConfigMap/istio-system/istio-canary"
    )
    assert istio_config_map(seen(), "istio") == "ConfigMap/istio-system/istio"


@pytest.mark.parametrize(
    ("there", "managed", "restricted"),
    [
        ((STRICT, sidecar("./*", namespace="istio-system")), {}, True),
        ((STRICT, sidecar("./*", namespace="istio-system")), {STRICT.name: AFTER}, True),
        ((STRICT, sidecar("./*", namespace="istio-system", born=AFTER)), {STRICT.name: BEFORE}, False),
        ((STRICT, sidecar("./*", namespace="istio-system")), {STRICT.name: BEFORE}, False),
        ((SHOP, sidecar("./*", born=AFTER)), {SHOP.name: BEFORE}, False),
        ((SHOP, sidecar("./*")), {SHOP.name: AFTER}, True),
    ],
)
def test_a_younger_sidecar_has_no_effect(there: Any, managed: dict[str, Any], restricted: bool) -> None:
    """If the managed one is older, by the cluster's clock and then by name; else our mode is in the foreign one."""
    mode = effective_mode(seen(*there, managed_times=managed), "default")
    assert mode.policy == there[0]
    assert bool(mode.sidecar) is restricted
