"""Interception to the domain and back."""

from egress.v1 import interception_pb2 as pb
from egress_server.domain.changes import Versioned, make_etag
from egress_server.domain.resources import Interception
from egress_server.domain.validate import Problems
from egress_server.wire.convert.common import read_scope, read_selector, write_scope, write_selector, write_time

_ALL = ("*",)


def read_interception(message: pb.Interception, name: str, problems: Problems) -> Interception:
    """The interception as it came; `*` alone is an empty list, which means the same."""
    include = tuple(cidr.lower() for cidr in message.include_cidrs)
    if include == _ALL:
        for field in ("none", "include_service_cidrs"):
            if getattr(message, field):
                problems.at(field).add("include_cidrs says '*', which is all; leave one of them out")
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


def write_interception(versioned: Versioned, epoch: str) -> pb.Interception:
    """The interception as of a revision."""
    policy = versioned.resource
    assert isinstance(policy, Interception)
    return pb.Interception(
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
