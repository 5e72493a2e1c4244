"""What a mutation gives back: the reply, and a way to wait for what it set off.

A generated message knows no client, so that the reply alone could not be waited for. The wrapper adds `wait` and the
reply's own fields by their names, each typed only where the reply has it.
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

Until = Literal["applied", "verified"]


class Mutated(Protocol):
    """What the replies of all mutations have in common."""

    @property
    def change(self) -> Change: ...
    @property
    def findings(self) -> RepeatedCompositeFieldContainer[Finding]: ...
    @property
    def plan(self) -> Plan: ...


class _OfPolicy(Mutated, Protocol):
    @property
    def outbound_policy(self) -> OutboundPolicy: ...


class _OfEntry(Mutated, Protocol):
    @property
    def service_entry(self) -> ServiceEntry: ...


class _OfFault(Mutated, Protocol):
    @property
    def fault(self) -> Fault: ...


class _OfInterception(Mutated, Protocol):
    @property
    def interception(self) -> Interception: ...


class _OfCluster(Mutated, Protocol):
    @property
    def cluster(self) -> Cluster: ...


class _OfMesh(Mutated, Protocol):
    @property
    def mesh(self) -> Mesh: ...


class _OfResource(Mutated, Protocol):
    @property
    def resource(self) -> str: ...


Reply_co = TypeVar("Reply_co", bound=Mutated, covariant=True)


class Outcome(Generic[Reply_co]):
    """What both clients' mutations give back, but for the waiting."""

    def __init__(self, reply: Reply_co, client: Any) -> None:
        self._reply = reply
        self._client = client

    @property
    def reply(self) -> Reply_co:
        """The reply itself, a generated message."""
        return self._reply

    @property
    def change(self) -> Change:
        """The change that was accepted; empty with `validate_only`."""
        return self._reply.change

    @property
    def findings(self) -> RepeatedCompositeFieldContainer[Finding]:
        """Lint results."""
        return self._reply.findings

    @property
    def plan(self) -> Plan:
        """What would change on the clusters; only with `validate_only`."""
        return self._reply.plan

    @property
    def outbound_policy(self: "Outcome[_OfPolicy]") -> OutboundPolicy:
        """The policy as it now is, or last was."""
        return self._reply.outbound_policy

    @property
    def service_entry(self: "Outcome[_OfEntry]") -> ServiceEntry:
        """The entry as it now is, or last was."""
        return self._reply.service_entry

    @property
    def fault(self: "Outcome[_OfFault]") -> Fault:
        """The fault as it now is, or last was."""
        return self._reply.fault

    @property
    def interception(self: "Outcome[_OfInterception]") -> Interception:
        """The interception as it now is, or last was."""
        return self._reply.interception

    @property
    def cluster(self: "Outcome[_OfCluster]") -> Cluster:
        """The cluster as it now is, or last was."""
        return self._reply.cluster

    @property
    def mesh(self: "Outcome[_OfMesh]") -> Mesh:
        """The mesh as it now is."""
        return self._reply.mesh

    @property
    def resource(self: "Outcome[_OfResource]") -> str:
        """Name of the resource that was brought back."""
        return self._reply.resource

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._reply!r})"

    def _accepted(self) -> Change:
        assert isinstance(self._reply, Message)
        if not self._reply.HasField("change"):
            raise ValueError("a dry run made no change to wait for")
        return self._reply.change


class Changed(Outcome[Reply_co]):
    """What a mutation gives back: the reply's fields, and `wait`."""

    def wait(self, until: Until = "applied", *, timeout: float = 30.0) -> WaitChangeResponse:
        """Wait until the change is applied, or verified by probes, on every cluster it concerns.

        As `wait_change`: at `timeout` (seconds) it returns the state reached; look at `reached`.
        Raises ValueError after a dry run.
        """
        reply: WaitChangeResponse = self._client.wait_change(self._accepted(), until=until, timeout=timeout)
        return reply


class AsyncChanged(Outcome[Reply_co]):
    """Changed for `await`."""

    def wait(self, until: Until = "applied", *, timeout: float = 30.0) -> Coroutine[Any, Any, WaitChangeResponse]:
        """Wait until the change is applied, or verified by probes, on every cluster it concerns. See `Changed`."""
        reply: Coroutine[Any, Any, WaitChangeResponse] = self._client.wait_change(
            self._accepted(), until=until, timeout=timeout
        )
        return reply
