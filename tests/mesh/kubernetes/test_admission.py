"""Interception for a namespace or a workload, as the API server carries it out on new pods."""

from collections.abc import Mapping

import pytest

from egress_server.domain.model.resources import Interception
from egress_server.domain.model.selectors import Scope
from tests.mesh.harness.cluster.api import Api
from tests.mesh.harness.run.run import eventually
from tests.mesh.kubernetes.driver import Driver
from tests.support.meshes import interception

TRAFFIC = "traffic.sidecar.istio.io/"
SHOP = Scope("shop")
WEB = Scope("shop", {"app": "web"})


def created(api: Api, labels: Mapping[str, str], annotations: Mapping[str, str]) -> dict[str, str]:
    """What a new pod of `shop` carries of our annotations; it is not kept."""
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "new", "namespace": "shop", "labels": labels, "annotations": annotations},
        "spec": {"containers": [{"name": "app", "image": "app"}]},
    }
    made = api.post("/api/v1/namespaces/shop/pods?dryRun=All", pod)
    found = made["metadata"].get("annotations") or {}
    return {name.removeprefix(TRAFFIC): value for name, value in found.items() if name.startswith(TRAFFIC)}


def becomes(api: Api, wanted: dict[str, str], **labels: str) -> None:
    """Waits until a new pod gets just that: the API server reads its policies in the background."""
    eventually(lambda: created(api, labels, {}) == wanted, f"pods with {labels} to get {wanted}")


def annotations(**given: str) -> dict[str, str]:
    """All four, as the policy writes them."""
    nothing = {"includeOutboundIPRanges": "*", "excludeOutboundIPRanges": ""}
    return {**nothing, "includeOutboundPorts": "", "excludeOutboundPorts": "", **given}


async def test_a_narrower_scope_comes_first(driver: Driver, api: Api) -> None:
    """Pods of the workload get its rules, others in the namespace those of the namespace, and all others none."""
    whole = interception("shop", scope=SHOP, exclude_cidrs=("198.51.100.0/24",))
    web = interception("web", scope=WEB, include_cidrs=("10.0.0.0/8",), exclude_outbound_ports=(3306,))
    assert await driver.reconcile(whole, web) == {}
    assert (await driver.plan(whole, web)).changes == ()
    becomes(api, annotations(excludeOutboundIPRanges="198.51.100.0/24"), app="other")
    becomes(api, annotations(includeOutboundIPRanges="10.0.0.0/8", excludeOutboundPorts="3306"), app="web")
    await driver.reconcile(whole)
    becomes(api, annotations(excludeOutboundIPRanges="198.51.100.0/24"), app="web")
    await driver.reconcile()
    becomes(api, {}, app="web")


async def test_of_two_workload_scopes_the_one_that_asks_for_more_holds(driver: Driver, api: Api) -> None:
    """Whichever was made first."""
    one = interception("a", scope=WEB, exclude_outbound_ports=(1,))
    two = interception("b", scope=Scope("shop", {"app": "web", "tier": "x"}), exclude_outbound_ports=(2,))
    await driver.reconcile(one, two)
    becomes(api, annotations(excludeOutboundPorts="2"), app="web", tier="x")
    becomes(api, annotations(excludeOutboundPorts="1"), app="web")


async def test_policy_comes_before_the_template(driver: Driver, api: Api) -> None:
    """Who writes Deployments does not decide what passes the sidecar by; other annotations stay."""
    await driver.reconcile(interception("shop", scope=SHOP, include_outbound_ports=(443,)))
    becomes(api, annotations(includeOutboundPorts="443"))
    own = {f"{TRAFFIC}excludeOutboundIPRanges": "0.0.0.0/0", f"{TRAFFIC}excludeInterfaces": "eth1"}
    wanted = annotations(includeOutboundPorts="443", excludeInterfaces="eth1")
    assert created(api, {}, own) == wanted


@pytest.mark.parametrize(
    ("policy", "include"),
    [
        (interception("shop", scope=SHOP, none=True), ""),
        (interception("shop", scope=SHOP, include_service_cidrs=True), "10.220.0.0/16,fd00:220::/108"),
        (
            interception("shop", scope=SHOP, include_cidrs=("192.0.2.0/24",), include_service_cidrs=True),
            "192.0.2.0/24,10.220.0.0/16,fd00:220::/108",
        ),
    ],
)
async def test_ranges_of_the_cluster_and_none(driver: Driver, api: Api, policy: Interception, include: str) -> None:
    """The cluster lends its own service ranges; no range at all is written as such."""
    assert await driver.reconcile(policy) == {}
    becomes(api, annotations(includeOutboundIPRanges=include))
