"""The result of a mutation: its reply, and a way to wait for the rollout.

A generated message has no client, so the reply alone cannot be waited for. The wrapper adds `wait`, and has the fields
of the reply as properties, each typed only for the replies that have the field.
"""

from collections.abc import Coroutine
from typing import Any, Generic, Literal, Protocol, TypeVar

from google.protobuf.internal.containers import RepeatedCompositeFieldContainer
from google.protobuf.message import Message

from egress.v1.change_pb2 import Change
from egress.v1.change_service_pb2 import WaitChangeResponse
from egress.v1.cluster_pb2 import Cluster
from egress.v1.common_pb2 import Finding, Plan
from egress.v1.fault_pb2 import Fault
from egress.v1.interception_pb2 import Interception
from egress.v1.mesh_pb2 import Mesh
from egress.v1.outbound_policy_pb2 import OutboundPolicy
from egress.v1.service_entry_pb2 import ServiceEntry

__all__ = ["AsyncMutationResult", "MutationResult"]

Until = Literal["applied", "verified"]


class MutationReply(Protocol):
    """The fields that the replies of all mutations have."""

    @property
    def change(self) -> Change: ...
    @property
    def findings(self) -> RepeatedCompositeFieldContainer[Finding]: ...
    @property
    def plan(self) -> Plan: ...


class _PolicyReply(MutationReply, Protocol):
    @property
    def outbound_policy(self) -> OutboundPolicy: ...


class _EntryReply(MutationReply, Protocol):
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


class _MeshReply(MutationReply, Protocol):
    @property
    def mesh(self) -> Mesh: ...


class _RevertReply(MutationReply, Protocol):
    @property
    def resource(self) -> str: ...


Reply_co = TypeVar("Reply_co", bound=MutationReply, covariant=True)


class BaseMutationResult(Generic[Reply_co]):
    """What the results of both clients share: everything but `wait`."""

    def __init__(self, reply: Reply_co, client: Any) -> None:
        self._reply = reply
        self._client = client

    @property
    def reply(self) -> Reply_co:
        """The reply, a generated message."""
        return self._reply

    @property
    def change(self) -> Change:
        """The change that was accepted; empty with `validate_only`."""
        return self._reply.change

    @property
    def findings(self) -> RepeatedCompositeFieldContainer[Finding]:
        """Lint findings."""
        return self._reply.findings

    @property
    def plan(self) -> Plan:
        """What would change on the clusters; only with `validate_only`."""
        return self._reply.plan

    @property
    def outbound_policy(self: "BaseMutationResult[_PolicyReply]") -> OutboundPolicy:
        """The policy after the change, or before it was deleted."""
        return self._reply.outbound_policy

    @property
    def service_entry(self: "BaseMutationResult[_EntryReply]") -> ServiceEntry:
        """The entry after the change, or before it was deleted."""
        return self._reply.service_entry

    @property
    def fault(self: "BaseMutationResult[_FaultReply]") -> Fault:
        """The fault after the change, or before it was cleared."""
        return self._reply.fault

    @property
    def interception(self: "BaseMutationResult[_InterceptionReply]") -> Interception:
        """The interception after the change, or before it was deleted."""
        return self._reply.interception

    @property
    def cluster(self: "BaseMutationResult[_ClusterReply]") -> Cluster:
        """The cluster after the change, or before it was deregistered."""
        return self._reply.cluster

    @property
    def mesh(self: "BaseMutationResult[_MeshReply]") -> Mesh:
        """The mesh after the change."""
        return self._reply.mesh

    @property
    def resource(self: "BaseMutationResult[_RevertReply]") -> str:
        """Name of the resource that was restored."""
        return self._reply.resource

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._reply!r})"

    def _accepted_change(self) -> Change:
        assert isinstance(self._reply, Message)
        if not self._reply.HasField("change"):
            raise ValueError("a dry run makes no change, so there is nothing to wait for")
        return self._reply.change


class MutationResult(BaseMutationResult[Reply_co]):
    """The result of a mutation: the fields of its reply, and `wait`."""

    def wait(self, until: Until = "applied", *, timeout: float = 30.0) -> WaitChangeResponse:
        """Waits until every affected cluster has applied the change, or until probes have verified it.

        Like `wait_change`: when `timeout` (seconds) expires it returns the state reached, so check `reached`.

        Raises ValueError after a dry run.
        """
        reply: WaitChangeResponse = self._client.wait_change(self._accepted_change(), until=until, timeout=timeout)
        return reply


class AsyncMutationResult(BaseMutationResult[Reply_co]):
    """MutationResult of AsyncEgressClient."""

    def wait(self, until: Until = "applied", *, timeout: float = 30.0) -> Coroutine[Any, Any, WaitChangeResponse]:
        """Waits until every affected cluster has applied the change, or until probes have verified it.

        See `MutationResult.wait`.
        """
        reply: Coroutine[Any, Any, WaitChangeResponse] = self._client.wait_change(
            self._accepted_change(), until=until, timeout=timeout
        )
        return reply
