"""The methods of ChangeService: what was changed, by whom, and what became of it."""

from typing import Unpack

from egress import _names as names
from egress._calls import Call, Listing, mutating, paged, unary
from egress._changed import Until
from egress._durations import duration
from egress._fields import Mutation, enum, mutation
from egress._lasting import watched
from egress.v1 import change_service_pb2 as pb
from egress.v1.change_pb2 import Change, ClusterRollout

_SERVICE = "/egress.v1.ChangeService/"

# A wait that ends at its timeout is answered with the state reached; the answer needs a moment to
# arrive.
_REPLY_SECONDS = 10.0


class ChangeMethods:
    """What was changed, by whom, and what became of it. A change is named by itself, its
    revision or its name.
    """

    mesh: str

    @unary
    def get_change(self, change: Change | int | str, *, timeout: float | None = None) -> Call[Change]:
        """Return one change, with a count of its rollouts by state."""
        request = pb.GetChangeRequest(name=names.change(self.mesh, change))
        return Call(_SERVICE + "GetChange", request, Change, timeout)

    @paged
    def list_changes(
        self,
        *,
        filter: str = "",
        order_by: str = "",
        page_size: int = 0,
        timeout: float | None = None,
    ) -> Listing[Change, pb.ListChangesResponse]:
        """List the mesh's changes, newest first. `timeout` holds for each page."""
        request = pb.ListChangesRequest(
            parent=names.mesh(self.mesh), filter=filter, order_by=order_by, page_size=page_size
        )
        call = Call(_SERVICE + "ListChanges", request, pb.ListChangesResponse, timeout)
        return Listing(call, lambda page: page.changes)

    @paged
    def list_cluster_rollouts(
        self,
        change: Change | int | str,
        *,
        filter: str = "",
        order_by: str = "",
        page_size: int = 0,
        timeout: float | None = None,
    ) -> Listing[ClusterRollout, pb.ListClusterRolloutsResponse]:
        """List what became of a change on each cluster it concerns. `timeout` holds for each
        page.
        """
        request = pb.ListClusterRolloutsRequest(
            parent=names.change(self.mesh, change),
            filter=filter,
            order_by=order_by,
            page_size=page_size,
        )
        call = Call(_SERVICE + "ListClusterRollouts", request, pb.ListClusterRolloutsResponse, timeout)
        return Listing(call, lambda page: page.cluster_rollouts)

    @unary
    def wait_change(
        self,
        change: Change | int | str,
        *,
        until: Until = "applied",
        timeout: float = 30.0,
    ) -> Call[pb.WaitChangeResponse]:
        """Wait until a change is applied, or verified by probes, on every cluster it concerns.

        At `timeout` (seconds; the server allows 600) it returns the state reached, not an error:
        look at `reached`.
        """
        request = pb.WaitChangeRequest(
            name=names.change(self.mesh, change),
            until=enum(pb.WaitChangeRequest.Until, until),
            timeout=duration(timeout),
        )
        return Call(_SERVICE + "WaitChange", request, pb.WaitChangeResponse, timeout + _REPLY_SECONDS)

    @watched
    def watch_changes(
        self, cursor: str | None = None, *, include_rollouts: bool = False
    ) -> Call[pb.WatchChangesResponse]:
        """Iterate over what happens in the mesh from `cursor` on (None: from now on), without end.

        An event has a `change`, or with `include_rollouts` a `rollout`, and a `cursor` to go on
        after it. The watch goes on by itself, without a gap, when the connection breaks. It begins
        with its `with` block, or else with the first event asked for; the block's end, or `close`,
        ends it.

        Raises CursorExpired where the cursor is older than what the server keeps: list the changes
        again. Raises Unavailable only where the server was never reached.
        """
        request = pb.WatchChangesRequest(
            parent=names.mesh(self.mesh), cursor=cursor or "", include_rollouts=include_rollouts
        )
        return Call(_SERVICE + "WatchChanges", request, pb.WatchChangesResponse)

    @mutating
    def revert_change(self, change: Change | int | str, **options: Unpack[Mutation]) -> Call[pb.RevertChangeResponse]:
        """Bring the resource of a change back to what it was before it, by a change of its own.

        For `options` see `Mutation`.
        """
        request = pb.RevertChangeRequest(name=names.change(self.mesh, change), **mutation(options))
        return Call(_SERVICE + "RevertChange", request, pb.RevertChangeResponse, options.get("timeout"))
