"""Objects that istiod does not read: of another revision, or in namespaces that discoverySelectors leave out."""

from typing import Any

import pytest

from egress_server.domain.model.selectors import Scope
from egress_server.domain.observed.inventory import IgnoredObject
from egress_server.targets.kubernetes.informer.objects import CachedObject
from egress_server.targets.kubernetes.observe.observation import Observation
from tests.support.meshes import entry, fault, policy
from tests.unit.targets.kubernetes.observations import (
    ROOT,
    cluster,
    found,
    observe,
    one,
    projected,
    reasons,
    sidecar,
    virtual_service,
)

CANARY = {"istio.io/rev": "canary"}
HERE = {"istio.io/rev": "default"}
SELECTORS = "discoverySelectors: [{matchLabels: {mesh: 'yes'}}]"
LABELS = {"default": {"mesh": "yes"}, ROOT: {"mesh": "yes"}}


def mesh_config(text: str) -> CachedObject:
    """The ConfigMap of the default revision."""
    return found("ConfigMap", "istio", {"mesh": text}, namespace=ROOT)


def names(observation: Observation, kind: str) -> list[str]:
    """Of the objects that count."""
    return [each.key.name for each in observation.foreign(kind)]


@pytest.mark.parametrize(
    ("labels", "revision", "read"),
    [
        ({}, "", True),
        (HERE, "", True),
        (HERE, "default", True),
        (CANARY, "", False),
        (CANARY, "canary", True),
        (HERE, "canary", False),
        ({"istio.io/rev": ""}, "", False),
    ],
)
def test_objects_of_another_revision(labels: dict[str, str], revision: str, read: bool) -> None:
    """istiod reads those that name its revision, or none."""
    observed = observe(sidecar("s", {}, labels=labels), revision=revision)
    assert names(observed, "Sidecar") == (["s"] if read else [])
    assert [each.name for each in observed.ignored] == ([] if read else ["s"])


def test_the_reason_names_both_revisions() -> None:
    """In plain words."""
    why = "its label istio.io/rev is canary, and the revision of istiod is default"
    observed = observe(found("ServiceEntry", "x", {}, labels=CANARY))
    assert observed.ignored == (IgnoredObject("ServiceEntry", "default", "x", why),)


def test_namespaces_without_discovery() -> None:
    """Everything in them is ignored."""
    there = (found("ServiceEntry", "x", {}), found("ServiceEntry", "y", {}, namespace="shop"))
    observed = observe(*there, mesh_config(SELECTORS), namespaces=LABELS)
    assert names(observed, "ServiceEntry") == ["x"]
    assert observed.ignored_namespaces == {"shop"}
    assert "no discoverySelectors of MeshConfig match its labels" in observed.ignored[0].why


def test_istiod_keeps_what_it_could_read_last() -> None:
    """While the text is broken; without such a text nothing is known of it."""
    there = (found("ServiceEntry", "y", {}, namespace="shop"), mesh_config("a: b\n\tc: d"))
    former = observe(*there, namespaces=LABELS, former_mesh_config=SELECTORS)
    assert former.ignored_namespaces == {"shop"}
    assert observe(*there, namespaces=LABELS).ignored_namespaces == frozenset()


SHOP = policy("REGISTRY_ONLY", "shop", scope=Scope("shop"))


def test_the_mode_never_goes_into_an_ignored_sidecar() -> None:
    """It would have no effect there; our own Sidecar has one."""
    observed = observe(sidecar("theirs", {"egress": [{"hosts": ["./*"]}]}, namespace="shop", labels=CANARY))
    projection = projected(cluster("Sidecar/shop/theirs"), observed, SHOP)
    ours = one(projection, "Sidecar")
    assert ours["metadata"]["name"] == "egress-shop"
    assert ours["spec"] == {"outboundTrafficPolicy": {"mode": "REGISTRY_ONLY"}}


@pytest.mark.parametrize("adopted", [(), ("Sidecar/shop/egress-shop",)])
def test_an_ignored_namesake_is_left_alone(adopted: tuple[str, ...]) -> None:
    """Our object gets another name, even if the other one is adopted."""
    observed = observe(sidecar("egress-shop", {}, namespace="shop", labels=CANARY))
    projection = projected(cluster(*adopted), observed, SHOP)
    ours = one(projection, "Sidecar")
    assert (ours["metadata"]["name"], reasons(projection)) == ("egress-shop-default", {})
    assert ours["metadata"]["labels"]


def test_an_ignored_entry_with_the_name_of_ours() -> None:
    """So too for entries."""
    observed = observe(found("ServiceEntry", "bank", {"hosts": ["x.example"]}, labels=CANARY))
    projection = projected(cluster(), observed, entry("bank"))
    assert (one(projection, "ServiceEntry")["metadata"]["name"], reasons(projection)) == ("bank-default", {})


def test_an_ignored_virtual_service_owns_no_host() -> None:
    """So a fault for the host needs no adoption."""
    theirs = virtual_service("theirs", "bank.example.com", labels=CANARY)
    projection = projected(cluster(), observe(theirs), entry("bank"), fault("broken"))
    assert reasons(projection) == {}
    assert one(projection, "VirtualService")["metadata"]["name"] == "egress-bank.example.com"


def test_nothing_is_written_where_istiod_does_not_read() -> None:
    """The resource is not applied, and the reason is said."""
    observed = observe(mesh_config(SELECTORS), namespaces=LABELS)
    projection = projected(cluster(), observed, SHOP, entry("bank"))
    assert reasons(projection) == {"shop": "NAMESPACE_IGNORED"}
    assert one(projection, "ServiceEntry")["metadata"]["name"] == "bank"


@pytest.mark.parametrize(("default", "owned"), [("['.']", False), ("['*']", True)])
def test_the_default_visibility_of_virtual_services(default: str, owned: bool) -> None:
    """It decides whether one of another namespace owns the host."""
    theirs: Any = virtual_service("theirs", "bank.example.com", namespace="shop")
    observed = observe(theirs, mesh_config(f"defaultVirtualServiceExportTo: {default}"))
    assert bool(reasons(projected(cluster(), observed, entry("bank"), fault("broken")))) is owned
