"""Fits what is wanted to what a cluster holds, and can hold: pure, one file a kind."""

from collections.abc import Sequence

from egress_server.domain.model.objects import IstioObject
from egress_server.domain.model.resources import Cluster
from egress_server.ports.target import Fit
from egress_server.targets.kubernetes.observe.observation import Observation
from egress_server.targets.kubernetes.project.builder import Projection, fit_entry
from egress_server.targets.kubernetes.project.interceptions import fit_interceptions
from egress_server.targets.kubernetes.project.outbound_policies import fit_mesh_config, fit_sidecars
from egress_server.targets.kubernetes.project.virtual_services import fit_virtual_service

__all__ = ["project"]


def project(objects: Sequence[IstioObject], cluster: Cluster, view: Observation) -> Fit:
    """What of `objects` the cluster can hold, as it looks there, and why it does not hold the others."""
    draft = Projection(cluster, view)
    sidecars: list[IstioObject] = []
    interceptions: list[IstioObject] = []
    for obj in objects:
        if obj["kind"] == "Sidecar":
            if fit_mesh_config(draft, obj):
                sidecars.append(obj)
        elif obj["kind"] == "Interception":
            interceptions.append(obj)
        elif obj["kind"] == "VirtualService":
            fit_virtual_service(draft, obj)
        else:
            fit_entry(draft, obj)
    fit_sidecars(draft, sidecars)
    fit_interceptions(draft, interceptions)
    return Fit(draft.objects, draft.obstacles)
