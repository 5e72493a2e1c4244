"""The result of a mutation: its reply, and a way to wait for the rollout.

A generated message has no client, so the reply alone cannot be waited for. The wrapper adds `wait`, and has the fields
of the reply as properties, each typed only for the replies that have the field.
"""

from collections.abc import Coroutine
from typing import Any, Literal

from google.protobuf.message import Message

from egress._client.reply_fields import Reply_co, ReplyFields
from egress.v1.change_pb2 import Change
from egress.v1.change_service_pb2 import WaitChangeResponse

__all__ = ["AsyncMutationResult", "MutationResult"]

Until = Literal["applied", "verified"]


class BaseMutationResult(ReplyFields[Reply_co]):
    """What the results of both clients share: everything but `wait`."""

    def __init__(self, reply: Reply_co, client: Any) -> None:
        self._reply = reply
        self._client = client

    @property
    def reply(self) -> Reply_co:
        """The reply, a generated message."""
        return self._reply

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

        Like `wait_change`: when `timeout` (seconds) expires it returns the state reached, so check `reached`. If no
        registered cluster matches the change, it returns at once, with NO_CLUSTERS as `result`.

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
