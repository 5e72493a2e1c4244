"""Where interception of a whole mesh goes."""

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
