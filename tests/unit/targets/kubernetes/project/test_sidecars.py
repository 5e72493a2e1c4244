"""Outbound policies as Sidecars: beside, into and instead of those of others, and never weaker than they were."""

from typing import Any

import pytest

from egress_server.domain.model.objects import key_of
from egress_server.domain.model.resources import OutboundPolicy, Scope
from egress_server.domain.observed.inventory import Capabilities
from egress_server.targets.kubernetes.last_applied import SavedFields, key_of_object
from egress_server.targets.kubernetes.project.outbound_policies import COPIED_FROM
from tests.support.meshes import policy
from tests.unit.targets.kubernetes.clusters import ROOT, cluster, fitted, one, reasons, sidecar, view

MESH = policy("REGISTRY_ONLY")
SHOP = policy("REGISTRY_ONLY", "shop", scope=Scope("shop"))
WEB = policy("ALLOW_ANY", "web", scope=Scope("shop", {"app": "web"}))
CLOSED: dict[str, Any] = {
    "egress": [{"hosts": ["./*", "istio-system/*"]}],
    "ingress": [{"port": {"number": 80, "protocol": "HTTP", "name": "http"}, "defaultEndpoint": "127.0.0.1:80"}],
    "inboundConnectionPool": {"tcp": {"maxConnections": 7}},
}


def mode(value: str) -> dict[str, Any]:
    """As a Sidecar says it."""
    return {"outboundTrafficPolicy": {"mode": value}}


def test_where_nothing_is_ours_stand_alone() -> None:
    """Nobody's settings have to be repeated."""
    fit = fitted(cluster(), view(), MESH, SHOP, WEB)
    assert reasons(fit) == {}
    assert {key_of(obj).namespace: obj["spec"] for obj in fit.objects if "workloadSelector" not in obj["spec"]} == {
        ROOT: mode("REGISTRY_ONLY"),
        "shop": mode("REGISTRY_ONLY"),
    }


@pytest.mark.parametrize("said", [{}, {"outboundTrafficPolicy": {}}, mode("REGISTRY_ONLY")])
def test_the_mode_goes_into_a_sidecar_that_says_nothing_else(said: dict[str, Any]) -> None:
    """An absent mode, an empty policy (which is REGISTRY_ONLY), and the same mode are no reason to ask."""
    fit = fitted(cluster(), view(sidecar("theirs", CLOSED | said, namespace="shop")), SHOP)
    part = one(fit, "Sidecar")
    assert (part["metadata"]["name"], part["metadata"]["labels"]) == ("theirs", {})
    assert part["spec"] == mode("REGISTRY_ONLY")


@pytest.mark.parametrize("said", [{"outboundTrafficPolicy": {}}, mode("REGISTRY_ONLY")])
def test_isolation_of_others_is_not_loosened_unasked(said: dict[str, Any]) -> None:
    """The owner is named, and how to allow it."""
    allow = policy("ALLOW_ANY", "shop", scope=Scope("shop"))
    there = view(sidecar("theirs", CLOSED | said, namespace="shop"))
    fit = fitted(cluster(), there, allow)
    assert fit.objects == ()
    assert reasons(fit) == {"shop": "FOREIGN_OWNER"}
    message = fit.obstacles[allow.name].message
    assert "kubectl" in message
    assert "egressctl cluster adopt c0 Sidecar/shop/theirs" in message
    adopted = fitted(cluster("Sidecar/shop/theirs"), there, allow)
    assert one(adopted, "Sidecar")["spec"] == mode("ALLOW_ANY")
    assert reasons(adopted) == {}


def test_what_we_changed_there_is_ours_to_change_again() -> None:
    """A mode that we set may follow the policy without asking."""
    key = key_of_object("Sidecar/shop/theirs")
    held = {key: SavedFields(SHOP.name, mode("REGISTRY_ONLY"), {"manager": ""})}
    there = view(sidecar("theirs", CLOSED | mode("REGISTRY_ONLY"), namespace="shop"), held=held)
    fit = fitted(cluster(), there, policy("ALLOW_ANY", "shop", scope=Scope("shop")))
    assert one(fit, "Sidecar")["spec"] == mode("ALLOW_ANY")


@pytest.mark.parametrize(
    ("was", "wanted", "refused"),
    [
        (mode("ALLOW_ANY"), SHOP, {"shop": "FOREIGN_OWNER"}),
        ({"outboundTrafficPolicy": {}}, policy("ALLOW_ANY", "shop", scope=Scope("shop")), {"shop": "FOREIGN_OWNER"}),
        (mode("REGISTRY_ONLY"), SHOP, {}),
    ],
)
def test_what_others_said_before_us_still_counts(
    was: dict[str, Any], wanted: OutboundPolicy, refused: dict[str, str]
) -> None:
    """An object that is adopted no more is let go of, and nobody's mode is overruled because it once was ours too."""
    held = {
        key_of_object("Sidecar/shop/theirs"): SavedFields(
            SHOP.name, mode("REGISTRY_ONLY"), {**was, "manager": "kubectl"}
        )
    }
    there = view(sidecar("theirs", CLOSED | mode("REGISTRY_ONLY"), namespace="shop"), held=held)
    assert reasons(fitted(cluster(), there, wanted)) == refused
    assert reasons(fitted(cluster("Sidecar/shop/theirs"), there, wanted)) == {}


def test_a_mode_that_others_hold_as_well_is_not_ours_to_change() -> None:
    """They applied the same one; the API server would refuse another."""
    key = key_of_object("Sidecar/shop/theirs")
    held = {key: SavedFields(SHOP.name, mode("REGISTRY_ONLY"), {"manager": "argocd"})}
    fields: dict[str, Any] = {"f:spec": {"f:outboundTrafficPolicy": {"f:mode": {}}}}
    managed = [{"manager": each, "operation": "Apply", "fieldsV1": fields} for each in ("argocd", "mesh-egress")]
    theirs = sidecar("theirs", CLOSED | mode("REGISTRY_ONLY"), namespace="shop", managedFields=managed)
    allow = policy("ALLOW_ANY", "shop", scope=Scope("shop"))
    assert reasons(fitted(cluster(), view(theirs, held=held), SHOP)) == {}
    assert reasons(fitted(cluster(), view(theirs, held=held), allow)) == {"shop": "FOREIGN_OWNER"}
    assert reasons(fitted(cluster("Sidecar/shop/theirs"), view(theirs, held=held), allow)) == {}


def test_what_others_changed_there_since_is_theirs() -> None:
    """We held it, and somebody set another mode."""
    key = key_of_object("Sidecar/shop/theirs")
    held = {key: SavedFields(SHOP.name, mode("REGISTRY_ONLY"), {"manager": ""})}
    there = view(sidecar("theirs", CLOSED | mode("ALLOW_ANY"), namespace="shop"), held=held)
    assert reasons(fitted(cluster(), there, SHOP)) == {"shop": "FOREIGN_OWNER"}


def test_the_oldest_of_several_gets_the_mode() -> None:
    """It is the one that Istio heeds."""
    there = view(
        sidecar("younger", {}, namespace="shop", age=1),
        sidecar("older", {}, namespace="shop", age=2),
        sidecar("selecting", {"workloadSelector": {"labels": {"app": "x"}}}, namespace="shop", age=3),
    )
    assert one(fitted(cluster(), there, SHOP), "Sidecar")["metadata"]["name"] == "older"


def test_ours_stays_where_it_is_older() -> None:
    """A second one that came later does nothing."""
    there = view(
        sidecar("egress-shop", mode("REGISTRY_ONLY"), namespace="shop", age=5, ours=True),
        sidecar("younger", CLOSED, namespace="shop", age=1),
    )
    assert one(fitted(cluster(), there, SHOP), "Sidecar")["metadata"]["name"] == "egress-shop"


def test_a_namespace_repeats_what_the_root_says() -> None:
    """All but the mode, and the source is named."""
    there = view(sidecar("default", CLOSED | mode("ALLOW_ANY"), namespace=ROOT))
    made = one(fitted(cluster(), there, SHOP), "Sidecar")
    assert made["spec"] == CLOSED | mode("REGISTRY_ONLY")
    assert made["metadata"]["annotations"][COPIED_FROM] == "Sidecar/istio-system/default"


def test_other_fields_of_the_policy_are_repeated_too() -> None:
    """Such as an egress proxy."""
    proxy = {"outboundTrafficPolicy": {"mode": "ALLOW_ANY", "egressProxy": {"host": "proxy.example"}}}
    made = one(fitted(cluster(), view(sidecar("default", proxy, namespace=ROOT)), SHOP), "Sidecar")
    assert made["spec"] == {
        "outboundTrafficPolicy": {"mode": "REGISTRY_ONLY", "egressProxy": {"host": "proxy.example"}}
    }


def test_workloads_repeat_their_namespace_before_the_root() -> None:
    """Be it of others, with our mode in it or without."""
    near = {"egress": [{"hosts": ["./*"]}]}
    there = view(sidecar("default", CLOSED, namespace=ROOT), sidecar("near", near, namespace="shop"))
    for wanted in ((WEB,), (SHOP, WEB)):
        made = next(obj for obj in fitted(cluster(), there, *wanted).objects if key_of(obj).name == "egress-web")
        assert made["spec"]["egress"] == near["egress"]
        assert made["spec"]["outboundTrafficPolicy"] == {"mode": "ALLOW_ANY"}
        assert made["metadata"]["annotations"][COPIED_FROM] == "Sidecar/shop/near"


def test_workloads_repeat_what_their_namespace_repeats() -> None:
    """Through ours, and the first source is named."""
    fit = fitted(cluster(), view(sidecar("default", CLOSED, namespace=ROOT)), SHOP, WEB)
    made = next(obj for obj in fit.objects if key_of(obj).name == "egress-web")
    assert made["spec"]["egress"] == CLOSED["egress"]
    assert made["metadata"]["annotations"][COPIED_FROM] == "Sidecar/istio-system/default"


def test_a_sidecar_for_the_same_workloads_gets_the_mode() -> None:
    """Labels compared as a whole."""
    selector = {"workloadSelector": {"labels": {"app": "web"}}}
    there = view(sidecar("theirs", selector | {"egress": [{"hosts": ["./*"]}]}, namespace="shop"))
    assert one(fitted(cluster(), there, WEB), "Sidecar")["metadata"]["name"] == "theirs"


def test_an_older_sidecar_for_more_workloads_is_in_the_way() -> None:
    """It holds for each of them, so ours would do nothing."""
    web = policy("ALLOW_ANY", "web", scope=Scope("shop", {"app": "web", "tier": "front"}))
    theirs = sidecar("theirs", {"workloadSelector": {"labels": {"app": "web"}}}, namespace="shop")
    assert reasons(fitted(cluster(), view(theirs), web)) == {"web": "FOREIGN_OWNER"}
    narrower = sidecar("t", {"workloadSelector": {"labels": {"app": "web", "x": "1"}}}, namespace="shop")
    assert reasons(fitted(cluster(), view(narrower), web)) == {}


def test_a_taken_name_is_told() -> None:
    """An object of others of just our name, for other workloads."""
    theirs = sidecar("egress-shop", {"workloadSelector": {"labels": {"app": "x"}}}, namespace="shop")
    assert reasons(fitted(cluster(), view(theirs), SHOP)) == {"shop": "FOREIGN_OWNER"}


def test_ambient_mode_does_not_enforce_registry_only() -> None:
    """There the policy would be a promise that nobody keeps; ALLOW_ANY is what happens anyway."""
    there = view(namespaces={"shop": {"istio.io/dataplane-mode": "ambient"}})
    allow = policy("ALLOW_ANY", "open", scope=Scope("shop"))
    assert reasons(fitted(cluster(), there, SHOP)) == {"shop": "UNSUPPORTED"}
    assert reasons(fitted(cluster(), there, allow)) == {}


def test_a_cluster_without_the_kind_says_so() -> None:
    """Istio may not be there at all."""
    there = view(capabilities=Capabilities(missing_kinds=("Sidecar",)))
    assert reasons(fitted(cluster(), there, SHOP)) == {"shop": "UNSUPPORTED"}
