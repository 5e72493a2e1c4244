"""Changes: wait and watch."""

from egress._api import names
from egress._api.fields import duration, enum
from egress._client.calls import Call, unary, watched
from egress._client.results import Until
from egress.v1 import change_service_pb2 as pb
from egress.v1.change_pb2 import Change

# When a wait reaches its timeout, the server replies with the state reached; the reply needs a moment to arrive.
_REPLY_SECONDS = 10.0


class ChangeMethods:
    """The history of the mesh, and the rollout of each change."""

    mesh: str

    @unary
    def wait_change(
        self,
        change: Change | int | str,
        *,
        until: Until = "applied",
        timeout: float = 30.0,
    ) -> Call[pb.WaitChangeResponse]:
        """Waits until every affected cluster has applied a change, or until probes have verified it.

        `change` is a Change, a revision or a full name. When `timeout` (seconds, at most 600) expires, it returns the
        state reached instead of raising an error, so check `reached`. If no registered cluster matches the change, it
        returns at once, with NO_CLUSTERS as `result`.
        """
        request = pb.WaitChangeRequest(
            name=names.child(names.mesh(self.mesh), "changes", change),
            until=enum(pb.WaitChangeRequest.Until, until),
            timeout=duration(timeout),
        )
        path = "/egress.v1.ChangeService/WaitChange"
        return Call(path, request, pb.WaitChangeResponse, timeout + _REPLY_SECONDS)

    @watched
    def watch_changes(
        self, cursor: str | None = None, *, include_rollouts: bool = False
    ) -> Call[pb.WatchChangesResponse]:
        """Iterates over the events of the mesh, starting after `cursor` (None: with new events), without end.

        An event has a `change`, or with `include_rollouts` a `rollout`, and a `cursor` to continue after it. If the
        connection breaks, the watch reconnects and continues without a gap. It starts when its `with` block is entered,
        or when the first event is requested; leaving the block or calling `close` ends it.

        Raises CursorExpired if the cursor is older than the retained history: list the changes again. Raises
        Unavailable only if the server was never reached.
        """
        request = pb.WatchChangesRequest(
            parent=names.mesh(self.mesh), cursor=cursor or "", include_rollouts=include_rollouts
        )
        return Call("/egress.v1.ChangeService/WatchChanges", request, pb.WatchChangesResponse)
