"""Mesh to the domain and back."""

from egress.v1 import mesh_pb2 as pb
from egress_server.domain.changes import Versioned, make_etag
from egress_server.domain.resources import Mesh
from egress_server.wire.convert.common import write_time


def read_mesh(message: pb.Mesh, name: str) -> Mesh:
    """The mesh as it came."""
    return Mesh(name, message.display_name, dict(message.labels))


def write_mesh(versioned: Versioned, epoch: str) -> pb.Mesh:
    """The mesh as of a revision."""
    mesh = versioned.resource
    assert isinstance(mesh, Mesh)
    return pb.Mesh(
        name=mesh.name,
        display_name=mesh.display_name,
        labels=mesh.labels,
        etag=make_etag(epoch, versioned.revision),
        revision=versioned.revision,
        create_time=write_time(versioned.create_time),
        update_time=write_time(versioned.update_time),
    )
