"""Mesh to the domain and back."""

from egress.v1 import mesh_pb2 as pb
from egress_server.domain.changes import Versioned, make_etag
from egress_server.domain.resources import DriftPolicy, Mesh
from egress_server.domain.validate import Problems
from egress_server.wire.convert.common import EnumField, write_time

_DRIFT_POLICY = EnumField(pb.Mesh.DriftPolicy, DriftPolicy, DriftPolicy.HEAL)


def read_mesh(message: pb.Mesh, name: str, problems: Problems) -> Mesh:
    """The mesh as it came; where it says nothing of drift, it heals."""
    drift_policy = _DRIFT_POLICY.read(message.drift_policy, problems.at("drift_policy"))
    return Mesh(name, message.display_name, dict(message.labels), drift_policy)


def write_mesh(versioned: Versioned, epoch: str) -> pb.Mesh:
    """The mesh as of a revision."""
    mesh = versioned.resource
    assert isinstance(mesh, Mesh)
    return pb.Mesh(
        name=mesh.name,
        display_name=mesh.display_name,
        labels=mesh.labels,
        drift_policy=_DRIFT_POLICY.write(mesh.drift_policy),
        etag=make_etag(epoch, versioned.revision),
        revision=versioned.revision,
        create_time=write_time(versioned.create_time),
        update_time=write_time(versioned.update_time),
    )
