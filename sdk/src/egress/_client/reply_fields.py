"""The fields of the replies of mutations.

Generated from proto/egress/v1 by `make gen`. Never edited.
"""

from typing import Generic, Protocol, TypeVar

from google.protobuf.internal.containers import RepeatedCompositeFieldContainer

from egress.v1.change_pb2 import Change
from egress.v1.cluster_pb2 import Cluster
from egress.v1.common_pb2 import Finding, Plan
from egress.v1.fault_pb2 import Fault
from egress.v1.interception_pb2 import Interception
from egress.v1.mesh_pb2 import Mesh
from egress.v1.outbound_policy_pb2 import OutboundPolicy
from egress.v1.service_entry_pb2 import ServiceEntry


class MutationReply(Protocol):
    """The fields that the replies of all mutations have."""

    @property
    def change(self) -> Change: ...
    @property
    def findings(self) -> RepeatedCompositeFieldContainer[Finding]: ...
    @property
    def plan(self) -> Plan: ...


class _ResourceReply(MutationReply, Protocol):
    @property
    def resource(self) -> str: ...


class _OutboundPolicyReply(MutationReply, Protocol):
    @property
    def outbound_policy(self) -> OutboundPolicy: ...


class _ServiceEntryReply(MutationReply, Protocol):
    @property
    def service_entry(self) -> ServiceEntry: ...


class _FaultReply(MutationReply, Protocol):
    @property
    def fault(self) -> Fault: ...


class _InterceptionReply(MutationReply, Protocol):
    @property
    def interception(self) -> Interception: ...


class _ClusterReply(MutationReply, Protocol):
    @property
    def cluster(self) -> Cluster: ...


class _RestartIdReply(MutationReply, Protocol):
    @property
    def restart_id(self) -> str: ...


class _MeshReply(MutationReply, Protocol):
    @property
    def mesh(self) -> Mesh: ...


Reply_co = TypeVar("Reply_co", bound=MutationReply, covariant=True)


class ReplyFields(Generic[Reply_co]):
    """The fields of a reply, as properties."""

    _reply: Reply_co

    @property
    def resource(self: "ReplyFields[_ResourceReply]") -> str:
        """Name of the resource that was restored."""
        return self._reply.resource

    @property
    def change(self) -> Change:
        """The resulting change; not set if `validate_only` is true."""
        return self._reply.change

    @property
    def findings(self) -> RepeatedCompositeFieldContainer[Finding]:
        """Lint findings about the change."""
        return self._reply.findings

    @property
    def plan(self) -> Plan:
        """What would change on the clusters; set only if `validate_only` is true."""
        return self._reply.plan

    @property
    def outbound_policy(self: "ReplyFields[_OutboundPolicyReply]") -> OutboundPolicy:
        """The policy after the change; if `validate_only` is true, as it would be.

        The policy before it was deleted.
        """
        return self._reply.outbound_policy

    @property
    def service_entry(self: "ReplyFields[_ServiceEntryReply]") -> ServiceEntry:
        """The entry after the change; if `validate_only` is true, as it would be.

        The entry before it was deleted.
        """
        return self._reply.service_entry

    @property
    def fault(self: "ReplyFields[_FaultReply]") -> Fault:
        """The fault after the change; if `validate_only` is true, as it would be.

        The fault before it was cleared.
        """
        return self._reply.fault

    @property
    def interception(self: "ReplyFields[_InterceptionReply]") -> Interception:
        """The interception after the change; if `validate_only` is true, as it would be.

        The interception before it was deleted.
        """
        return self._reply.interception

    @property
    def cluster(self: "ReplyFields[_ClusterReply]") -> Cluster:
        """The cluster after the change; if `validate_only` is true, as it would be.

        The cluster before it was deregistered.
        """
        return self._reply.cluster

    @property
    def restart_id(self: "ReplyFields[_RestartIdReply]") -> str:
        """ID of the restart in the cluster's status."""
        return self._reply.restart_id

    @property
    def mesh(self: "ReplyFields[_MeshReply]") -> Mesh:
        """The mesh after the change; if `validate_only` is true, as it would be."""
        return self._reply.mesh
