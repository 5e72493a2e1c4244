"""OutboundPolicy to the domain and back."""

from egress.v1 import outbound_policy_pb2 as pb
from egress_server.domain.changes import Versioned, make_etag
from egress_server.domain.resources import OutboundMode, OutboundPolicy
from egress_server.domain.validate import Problems
from egress_server.wire.convert.common import (
    EnumField,
    read_scope,
    read_selector,
    write_scope,
    write_selector,
    write_time,
)

_MODE = EnumField(pb.OutboundPolicy.Mode, OutboundMode)


def read_outbound_policy(message: pb.OutboundPolicy, name: str, problems: Problems) -> OutboundPolicy:
    """The policy as it came; only its enum is checked here."""
    return OutboundPolicy(
        name=name,
        mode=_MODE.read(message.mode, problems.at("mode")),
        scope=read_scope(message.scope),
        cluster_selector=read_selector(message.cluster_selector),
    )


def write_outbound_policy(versioned: Versioned, epoch: str) -> pb.OutboundPolicy:
    """The policy as of a revision."""
    policy = versioned.resource
    assert isinstance(policy, OutboundPolicy)
    return pb.OutboundPolicy(
        name=policy.name,
        mode=_MODE.write(policy.mode),
        scope=write_scope(policy.scope),
        cluster_selector=write_selector(policy.cluster_selector),
        etag=make_etag(epoch, versioned.revision),
        revision=versioned.revision,
        create_time=write_time(versioned.create_time),
        update_time=write_time(versioned.update_time),
    )
