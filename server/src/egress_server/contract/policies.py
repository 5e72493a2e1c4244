"""Converts outbound policies, interceptions and meshes."""

from egress.v1 import interception_pb2, mesh_pb2, outbound_policy_pb2
from egress_server.contract.common import EnumField, read_scope, read_selector, write_scope, write_selector, write_time
from egress_server.domain.model.changes import Versioned, make_etag
from egress_server.domain.model.clusters import DriftPolicy, Mesh
from egress_server.domain.model.resources import Interception, OutboundMode, OutboundPolicy
from egress_server.domain.validate import Problems

_MODE = EnumField(outbound_policy_pb2.OutboundPolicy.Mode, OutboundMode)


def read_outbound_policy(message: outbound_policy_pb2.OutboundPolicy, name: str, problems: Problems) -> OutboundPolicy:
    """The policy. Only its mode is checked."""
    return OutboundPolicy(
        name=name,
        mode=_MODE.read(message.mode, problems.at("mode")),
        scope=read_scope(message.scope),
        cluster_selector=read_selector(message.cluster_selector),
    )


def write_outbound_policy(versioned: Versioned[OutboundPolicy], epoch: str) -> outbound_policy_pb2.OutboundPolicy:
    """The policy at a revision."""
    policy = versioned.resource
    return outbound_policy_pb2.OutboundPolicy(
        name=policy.name,
        mode=_MODE.write(policy.mode),
        scope=write_scope(policy.scope),
        cluster_selector=write_selector(policy.cluster_selector),
        etag=make_etag(epoch, versioned.revision),
        revision=versioned.revision,
        create_time=write_time(versioned.create_time),
        update_time=write_time(versioned.update_time),
    )


_ALL = ("*",)


def read_interception(message: interception_pb2.Interception, name: str, problems: Problems) -> Interception:
    """The interception. `*` as the only range becomes an empty list, which means the same."""
    include = tuple(cidr.lower() for cidr in message.include_cidrs)
    if include == _ALL:
        for field in ("none", "include_service_cidrs"):
            if getattr(message, field):
                problems.at(field).add("cannot be combined with include_cidrs '*', which means all ranges")
        include = ()
    return Interception(
        name=name,
        scope=read_scope(message.scope),
        include_cidrs=include,
        exclude_cidrs=tuple(cidr.lower() for cidr in message.exclude_cidrs),
        include_service_cidrs=message.include_service_cidrs,
        none=message.none,
        include_outbound_ports=tuple(message.include_outbound_ports),
        exclude_outbound_ports=tuple(message.exclude_outbound_ports),
        cluster_selector=read_selector(message.cluster_selector),
    )


def write_interception(versioned: Versioned[Interception], epoch: str) -> interception_pb2.Interception:
    """The interception at a revision."""
    policy = versioned.resource
    return interception_pb2.Interception(
        name=policy.name,
        scope=write_scope(policy.scope),
        include_cidrs=policy.include_cidrs,
        exclude_cidrs=policy.exclude_cidrs,
        include_service_cidrs=policy.include_service_cidrs,
        none=policy.none,
        include_outbound_ports=policy.include_outbound_ports,
        exclude_outbound_ports=policy.exclude_outbound_ports,
        cluster_selector=write_selector(policy.cluster_selector),
        etag=make_etag(epoch, versioned.revision),
        revision=versioned.revision,
        create_time=write_time(versioned.create_time),
        update_time=write_time(versioned.update_time),
    )


_DRIFT_POLICY = EnumField(mesh_pb2.Mesh.DriftPolicy, DriftPolicy, DriftPolicy.HEAL)


def read_mesh(message: mesh_pb2.Mesh, name: str, problems: Problems) -> Mesh:
    """The mesh. Drift is corrected by default."""
    drift_policy = _DRIFT_POLICY.read(message.drift_policy, problems.at("drift_policy"))
    return Mesh(name, message.display_name, dict(message.labels), drift_policy)


def write_mesh(versioned: Versioned[Mesh], epoch: str) -> mesh_pb2.Mesh:
    """The mesh at a revision."""
    mesh = versioned.resource
    return mesh_pb2.Mesh(
        name=mesh.name,
        display_name=mesh.display_name,
        labels=mesh.labels,
        drift_policy=_DRIFT_POLICY.write(mesh.drift_policy),
        etag=make_etag(epoch, versioned.revision),
        revision=versioned.revision,
        create_time=write_time(versioned.create_time),
        update_time=write_time(versioned.update_time),
    )
