"""Where interception of a whole mesh goes."""

from typing import Any

from egress_server.domain.model.selectors import Scope
from egress_server.domain.observed.inventory import Capabilities
from tests.support.meshes import interception
from tests.unit.targets.kubernetes.clusters import ROOT, cluster, fitted, found, one, reasons, view

VALUES = found("ConfigMap", "istio-sidecar-injector", {"values": "{}"}, namespace=ROOT)


def test_the_meshs_own_goes_into_the_injectors_values() -> None:
    """All four of them, in the ConfigMap of the revision; the cluster's own ranges are named."""
    policy = interception(include_service_cidrs=True, exclude_outbound_ports=(443,))
    fit = fitted(cluster(), view(VALUES, ranges=("10.0.0.0/16",)), policy)
    part = one(fit, "InjectorValues")
    assert (part["metadata"]["namespace"], part["metadata"]["name"]) == (ROOT, "istio-sidecar-injector")
    assert part["metadata"]["labels"] == {}
    assert part["spec"] == {
        "includeIPRanges": "10.0.0.0/16",
        "excludeIPRanges": "",
        "includeOutboundPorts": "",
        "excludeOutboundPorts": "443",
    }


def test_a_revision_that_is_not_there_is_told() -> None:
    """There is nothing to write into."""
    policy = interception()
    fit = fitted(cluster(), view(VALUES, revision="canary"), policy)
    assert fit.objects == ()
    assert reasons(fit) == {"all": "UNSUPPORTED"}
    assert "istio-system/istio-sidecar-injector-canary" in fit.obstacles[policy.name].message


def test_what_is_narrower_waits_for_restarts_where_there_are_no_admission_policies() -> None:
    """As it is rendered, with the cluster's own ranges."""
    policy = interception("shop", scope=Scope("shop"), include_service_cidrs=True)
    there: dict[str, Any] = {"ranges": ("10.0.0.0/16",)}
    waiting = one(fitted(cluster(), view(**there), policy), "Interception")
    assert (waiting["metadata"]["namespace"], waiting["spec"]["includeIPRanges"]) == ("shop", "10.0.0.0/16")
    able = Capabilities(istio_version="1.31.1", mutating_admission_policy=True)
    kinds = {obj["kind"] for obj in fitted(cluster(), view(capabilities=able, **there), policy).objects}
    assert kinds == {"MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding"}
