"""Outbound policies as Sidecars: next to, inside and instead of foreign ones, and never weaker than before."""

from typing import Any

import pytest

from egress_server.domain.model.objects import key_of
from egress_server.domain.model.resources import OutboundPolicy
from egress_server.domain.model.selectors import Scope
from egress_server.domain.observed.inventory import Capabilities
from egress_server.targets.kubernetes.last_applied import SavedFields, object_key
from egress_server.targets.kubernetes.project.outbound_policies import COPIED_FROM
from tests.support.meshes import policy
from tests.unit.targets.kubernetes.observations import ROOT, cluster, observe, one, projected, reasons, sidecar

MESH = policy("REGISTRY_ONLY")
SHOP = policy("REGISTRY_ONLY", "shop", scope=Scope("shop"))
WEB = policy("ALLOW_ANY", "web", scope=Scope("shop", {"app": "web"}))
CLOSED: dict[str, Any] = {
    "egress": [{"hosts": ["./*", "istio-system/*"]}],
    "ingress": [{"port": {"number": 80, "protocol": "HTTP", "name": "http"}, "defaultEndpoint": "127.0.0.1:80"}],
    "inboundConnectionPool": {"tcp": {"maxConnections": 7}},
}


def mode(value: str) -> dict[str, Any]:
    """As a Sidecar has it."""
    return {"outboundTrafficPolicy": {"mode": value}}


def test_without_foreign_sidecars_only_the_mode_is_set() -> None:
    """There are no settings to copy."""
    projection = projected(cluster(), observe(), MESH, SHOP, WEB)
    assert reasons(projection) == {}
    assert {
        key_of(obj).namespace: obj["spec"] for obj in projection.objects if "workloadSelector" not in obj["spec"]
    } == {
        ROOT: mode("REGISTRY_ONLY"),
        "shop": mode("REGISTRY_ONLY"),
    }


@pytest.mark.parametrize("said", [{}, {"outboundTrafficPolicy": {}}, mode("REGISTRY_ONLY")])
def test_the_mode_goes_into_a_sidecar_with_no_other_mode(said: dict[str, Any]) -> None:
    """A missing mode, an empty policy (which is REGISTRY_ONLY), and the same mode need no adoption."""
    projection = projected(cluster(), observe(sidecar("theirs", CLOSED | said, namespace="shop")), SHOP)
    part = one(projection, "Sidecar")
    assert (part["metadata"]["name"], part["metadata"]["labels"]) == ("theirs", {})
    assert part["spec"] == mode("REGISTRY_ONLY")


@pytest.mark.parametrize("said", [{"outboundTrafficPolicy": {}}, mode("REGISTRY_ONLY")])
def test_a_foreign_mode_is_not_overridden_without_adoption(said: dict[str, Any]) -> None:
    """The message names the owner, and how to allow it."""
    allow = policy("ALLOW_ANY", "shop", scope=Scope("shop"))
    observed = observe(sidecar("theirs", CLOSED | said, namespace="shop"))
    projection = projected(cluster(), observed, allow)
    assert projection.objects == ()
    assert reasons(projection) == {"shop": "FOREIGN_OWNER"}
    message = projection.obstacles[allow.name].message
    assert "kubectl" in message
    assert "egressctl cluster adopt c0 Sidecar/shop/theirs" in message
    adopted = projected(cluster("Sidecar/shop/theirs"), observed, allow)
    assert one(adopted, "Sidecar")["spec"] == mode("ALLOW_ANY")
    assert reasons(adopted) == {}


def test_a_mode_that_we_set_can_be_changed_again() -> None:
    """A mode that we set follows the policy without adoption."""
    key = object_key("Sidecar/shop/theirs")
    saved = {key: SavedFields(SHOP.name, mode("REGISTRY_ONLY"), {"manager": ""})}
    observed = observe(sidecar("theirs", CLOSED | mode("REGISTRY_ONLY"), namespace="shop"), saved=saved)
    projection = projected(cluster(), observed, policy("ALLOW_ANY", "shop", scope=Scope("shop")))
    assert one(projection, "Sidecar")["spec"] == mode("ALLOW_ANY")


@pytest.mark.parametrize(
    ("was", "wanted", "refused"),
    [
        (mode("ALLOW_ANY"), SHOP, {"shop": "FOREIGN_OWNER"}),
        ({"outboundTrafficPolicy": {}}, policy("ALLOW_ANY", "shop", scope=Scope("shop")), {"shop": "FOREIGN_OWNER"}),
        (mode("REGISTRY_ONLY"), SHOP, {}),
    ],
)
def test_the_previous_foreign_mode_still_counts(
    was: dict[str, Any], wanted: OutboundPolicy, refused: dict[str, str]
) -> None:
    """An object that is no longer adopted is released, and a foreign mode is not overridden because we once had the
    same."""
    saved = {
        object_key("Sidecar/shop/theirs"): SavedFields(SHOP.name, mode("REGISTRY_ONLY"), {**was, "manager": "kubectl"})
    }
    observed = observe(sidecar("theirs", CLOSED | mode("REGISTRY_ONLY"), namespace="shop"), saved=saved)
    assert reasons(projected(cluster(), observed, wanted)) == refused
    assert reasons(projected(cluster("Sidecar/shop/theirs"), observed, wanted)) == {}


def test_a_mode_with_another_manager_is_not_changed() -> None:
    """They applied the same one; the API server would reject another."""
    key = object_key("Sidecar/shop/theirs")
    saved = {key: SavedFields(SHOP.name, mode("REGISTRY_ONLY"), {"manager": "argocd"})}
    fields: dict[str, Any] = {"f:spec": {"f:outboundTrafficPolicy": {"f:mode": {}}}}
    managed = [{"manager": each, "operation": "Apply", "fieldsV1": fields} for each in ("argocd", "mesh-egress")]
    theirs = sidecar("theirs", CLOSED | mode("REGISTRY_ONLY"), namespace="shop", managedFields=managed)
    allow = policy("ALLOW_ANY", "shop", scope=Scope("shop"))
    assert reasons(projected(cluster(), observe(theirs, saved=saved), SHOP)) == {}
    assert reasons(projected(cluster(), observe(theirs, saved=saved), allow)) == {"shop": "FOREIGN_OWNER"}
    assert reasons(projected(cluster("Sidecar/shop/theirs"), observe(theirs, saved=saved), allow)) == {}


def test_a_mode_changed_since_is_foreign() -> None:
    """We had set it, and another client set another mode."""
    key = object_key("Sidecar/shop/theirs")
    saved = {key: SavedFields(SHOP.name, mode("REGISTRY_ONLY"), {"manager": ""})}
    observed = observe(sidecar("theirs", CLOSED | mode("ALLOW_ANY"), namespace="shop"), saved=saved)
    assert reasons(projected(cluster(), observed, SHOP)) == {"shop": "FOREIGN_OWNER"}


def test_the_oldest_of_several_gets_the_mode() -> None:
    """It is the one that Istio uses."""
    observed = observe(
        sidecar("younger", {}, namespace="shop", age=1),
        sidecar("older", {}, namespace="shop", age=2),
        sidecar("selecting", {"workloadSelector": {"labels": {"app": "x"}}}, namespace="shop", age=3),
    )
    assert one(projected(cluster(), observed, SHOP), "Sidecar")["metadata"]["name"] == "older"


def test_an_older_managed_sidecar_is_kept() -> None:
    """A younger second one has no effect."""
    observed = observe(
        sidecar("egress-shop", mode("REGISTRY_ONLY"), namespace="shop", age=5, managed=True),
        sidecar("younger", CLOSED, namespace="shop", age=1),
    )
    assert one(projected(cluster(), observed, SHOP), "Sidecar")["metadata"]["name"] == "egress-shop"


def test_a_namespace_copies_the_root_namespaces_settings() -> None:
    """Everything but the mode; an annotation names the source."""
    observed = observe(sidecar("default", CLOSED | mode("ALLOW_ANY"), namespace=ROOT))
    made = one(projected(cluster(), observed, SHOP), "Sidecar")
    assert made["spec"] == CLOSED | mode("REGISTRY_ONLY")
    assert made["metadata"]["annotations"][COPIED_FROM] == "Sidecar/istio-system/default"


def test_other_fields_of_the_policy_are_copied() -> None:
    """Such as an egress proxy, which Istio refuses with REGISTRY_ONLY."""
    proxy = {"outboundTrafficPolicy": {"mode": "ALLOW_ANY", "egressProxy": {"host": "proxy.example"}}}
    observed = observe(sidecar("default", proxy, namespace=ROOT))
    assert one(projected(cluster(), observed, WEB), "Sidecar")["spec"]["outboundTrafficPolicy"] == {
        "mode": "ALLOW_ANY",
        "egressProxy": {"host": "proxy.example"},
    }
    assert one(projected(cluster(), observed, SHOP), "Sidecar")["spec"] == mode("REGISTRY_ONLY")


def test_registry_only_is_not_merged_beside_an_egress_proxy() -> None:
    """Istio refuses the two together, so the policy can't be applied until it is removed."""
    proxy = {"outboundTrafficPolicy": {"mode": "ALLOW_ANY", "egressProxy": {"host": "proxy.example"}}}
    observed = observe(sidecar("theirs", proxy, namespace="shop"))
    projection = projected(cluster("Sidecar/shop/theirs"), observed, SHOP)
    assert [problem.reason for problem in projection.obstacles.values()] == ["FOREIGN_OWNER"]
    assert "Sidecar/shop/theirs has an egressProxy" in projection.obstacles[SHOP.name].message
    assert not any(key_of(obj).name == "theirs" for obj in projection.objects)
    allowed = projected(cluster("Sidecar/shop/theirs"), observed, policy("ALLOW_ANY", "shop", scope=Scope("shop")))
    assert not allowed.obstacles


def test_workloads_copy_their_namespace_before_the_root() -> None:
    """Whether the namespace's Sidecar is foreign with our mode in it, or without."""
    near = {"egress": [{"hosts": ["./*"]}]}
    observed = observe(sidecar("default", CLOSED, namespace=ROOT), sidecar("near", near, namespace="shop"))
    for wanted in ((WEB,), (SHOP, WEB)):
        made = next(obj for obj in projected(cluster(), observed, *wanted).objects if key_of(obj).name == "egress-web")
        assert made["spec"]["egress"] == near["egress"]
        assert made["spec"]["outboundTrafficPolicy"] == {"mode": "ALLOW_ANY"}
        assert made["metadata"]["annotations"][COPIED_FROM] == "Sidecar/shop/near"


def test_workloads_copy_what_their_namespace_copied() -> None:
    """Through our own Sidecar; the original source is named."""
    projection = projected(cluster(), observe(sidecar("default", CLOSED, namespace=ROOT)), SHOP, WEB)
    made = next(obj for obj in projection.objects if key_of(obj).name == "egress-web")
    assert made["spec"]["egress"] == CLOSED["egress"]
    assert made["metadata"]["annotations"][COPIED_FROM] == "Sidecar/istio-system/default"


def test_a_sidecar_for_the_same_workloads_gets_the_mode() -> None:
    """If all labels are equal."""
    selector = {"workloadSelector": {"labels": {"app": "web"}}}
    observed = observe(sidecar("theirs", selector | {"egress": [{"hosts": ["./*"]}]}, namespace="shop"))
    assert one(projected(cluster(), observed, WEB), "Sidecar")["metadata"]["name"] == "theirs"


def test_an_older_sidecar_for_more_workloads_is_in_the_way() -> None:
    """Istio uses it for each of them, so a managed one would have no effect."""
    web = policy("ALLOW_ANY", "web", scope=Scope("shop", {"app": "web", "tier": "front"}))
    theirs = sidecar("theirs", {"workloadSelector": {"labels": {"app": "web"}}}, namespace="shop")
    assert reasons(projected(cluster(), observe(theirs), web)) == {"web": "FOREIGN_OWNER"}
    narrower = sidecar("t", {"workloadSelector": {"labels": {"app": "web", "x": "1"}}}, namespace="shop")
    assert reasons(projected(cluster(), observe(narrower), web)) == {}


def test_a_name_that_is_taken_is_reported() -> None:
    """An unmanaged object with our name, for other workloads."""
    theirs = sidecar("egress-shop", {"workloadSelector": {"labels": {"app": "x"}}}, namespace="shop")
    assert reasons(projected(cluster(), observe(theirs), SHOP)) == {"shop": "FOREIGN_OWNER"}


def test_ambient_mode_does_not_enforce_registry_only() -> None:
    """The policy would not be enforced; ALLOW_ANY is what happens anyway."""
    observed = observe(namespaces={"shop": {"istio.io/dataplane-mode": "ambient"}})
    allow = policy("ALLOW_ANY", "open", scope=Scope("shop"))
    assert reasons(projected(cluster(), observed, SHOP)) == {"shop": "UNSUPPORTED"}
    assert reasons(projected(cluster(), observed, allow)) == {}


def test_a_cluster_that_does_not_serve_the_kind() -> None:
    """Istio may not be installed."""
    observed = observe(capabilities=Capabilities(missing_kinds=("Sidecar",)))
    assert reasons(projected(cluster(), observed, SHOP)) == {"shop": "UNSUPPORTED"}
