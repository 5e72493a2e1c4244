"""Projects desired objects onto what a cluster holds, and can hold: pure, one file for each kind."""

from collections.abc import Sequence

from egress_server.domain.model.clusters import Cluster
from egress_server.domain.model.objects import IstioObject, key_of, resource_of
from egress_server.domain.model.status import UNSUPPORTED
from egress_server.ports.target import Projection
from egress_server.targets.kubernetes.merge.owned_fields import fields_object
from egress_server.targets.kubernetes.observe.observation import Observation
from egress_server.targets.kubernetes.project.builder import ProjectionBuilder
from egress_server.targets.kubernetes.project.destination_rules import project_destination_rule
from egress_server.targets.kubernetes.project.interceptions import project_interceptions
from egress_server.targets.kubernetes.project.outbound_policies import project_mesh_config, project_sidecars
from egress_server.targets.kubernetes.project.virtual_services import project_virtual_service


def project(objects: Sequence[IstioObject], cluster: Cluster, observed: Observation) -> Projection:
    """What of `objects` the cluster can hold, in the form that it has there, and why it can't hold the others."""
    builder = ProjectionBuilder(cluster, observed)
    sidecars: list[IstioObject] = []
    interceptions: list[IstioObject] = []
    for obj in map(builder.named_beside_ignored, objects):
        if obj["kind"] == "Sidecar":
            if project_mesh_config(builder, obj):
                sidecars.append(obj)
        elif obj["kind"] == "Interception":
            interceptions.append(obj)
        elif obj["kind"] == "VirtualService":
            project_virtual_service(builder, obj)
        elif obj["kind"] == "DestinationRule":
            project_destination_rule(builder, obj)
        else:
            _project_entry(builder, obj)
    project_sidecars(builder, sidecars)
    project_interceptions(builder, interceptions)
    return Projection(builder.objects, builder.obstacles)


def _project_entry(builder: ProjectionBuilder, obj: IstioObject) -> None:
    if not builder.accepts(obj):
        return
    if obj["spec"].get("resolution") == "DYNAMIC_DNS" and not builder.observed.dynamic_dns:
        version = builder.observed.capabilities.istio_version or "unknown"
        builder.reject(obj, UNSUPPORTED, f"resolution DYNAMIC_DNS requires Istio 1.31; this cluster has {version}")
        return
    namesake = builder.foreign_namesake(obj)
    if namesake and builder.is_adopted(namesake.key):
        builder.add(fields_object(key_of(obj), resource_of(obj), obj["spec"], forced=True))
    else:
        builder.add_unless_named(obj)
