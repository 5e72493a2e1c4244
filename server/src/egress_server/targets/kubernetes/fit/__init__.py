"""Fits what is wanted to what a cluster holds, and can hold: pure, one file a kind."""

from collections.abc import Sequence

from egress_server.domain.render.objects import IstioObject
from egress_server.domain.resources import Cluster
from egress_server.ports.target import Fit
from egress_server.targets.kubernetes.fit.draft import Draft
from egress_server.targets.kubernetes.fit.entries import fit_entry
from egress_server.targets.kubernetes.fit.interceptions import fit_interceptions
from egress_server.targets.kubernetes.fit.mesh_config import fit_mesh_config
from egress_server.targets.kubernetes.fit.sidecars import fit_sidecars
from egress_server.targets.kubernetes.fit.virtual_services import fit_virtual_service
from egress_server.targets.kubernetes.view import View

__all__ = ["fit"]


def fit(objects: Sequence[IstioObject], cluster: Cluster, view: View) -> Fit:
    """What of `objects` the cluster can hold, as it looks there, and why it does not hold the others."""
    draft = Draft(cluster, view)
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
