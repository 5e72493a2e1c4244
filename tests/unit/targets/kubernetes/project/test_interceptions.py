"""Where interception for a whole mesh is written."""

from typing import Any

from egress_server.domain.model.selectors import Scope
from egress_server.domain.observed.inventory import Capabilities
from tests.support.meshes import interception
from tests.unit.targets.kubernetes.observations import ROOT, cluster, found, observe, one, projected, reasons

VALUES = found("ConfigMap", "istio-sidecar-injector", {"values": "{}"}, namespace=ROOT)


def test_mesh_wide_interception_goes_into_the_injectors_values() -> None:
    """All four, in the ConfigMap of the revision, with the cluster's own service CIDRs."""
    policy = interception(include_service_cidrs=True, exclude_outbound_ports=(443,))
    projection = projected(cluster(), observe(VALUES, service_ranges=("10.0.0.0/16",)), policy)
    fields = one(projection, "InjectorValues")
    assert (fields["metadata"]["namespace"], fields["metadata"]["name"]) == (ROOT, "istio-sidecar-injector")
    assert fields["metadata"]["labels"] == {}
    assert fields["spec"] == {
        "includeIPRanges": "10.0.0.0/16",
        "excludeIPRanges": "",
        "includeOutboundPorts": "",
        "excludeOutboundPorts": "443",
    }


def test_a_missing_revision_is_reported() -> None:
    """There is nothing to write into."""
    policy = interception()
    projection = projected(cluster(), observe(VALUES, revision="canary"), policy)
    assert projection.objects == ()
    assert reasons(projection) == {"all": "UNSUPPORTED"}
    assert "istio-system/istio-sidecar-injector-canary" in projection.obstacles[policy.name].message


def test_narrower_scopes_are_deferred_without_admission_policies() -> None:
    """As rendered, with the cluster's own service CIDRs."""
    policy = interception("shop", scope=Scope("shop"), include_service_cidrs=True)
    there: dict[str, Any] = {"service_ranges": ("10.0.0.0/16",)}
    waiting = one(projected(cluster(), observe(**there), policy), "Interception")
    assert (waiting["metadata"]["namespace"], waiting["spec"]["includeIPRanges"]) == ("shop", "10.0.0.0/16")
    capabilities = Capabilities(istio_version="1.31.1", mutating_admission_policy=True)
    kinds = {obj["kind"] for obj in projected(cluster(), observe(capabilities=capabilities, **there), policy).objects}
    assert kinds == {"MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding"}
