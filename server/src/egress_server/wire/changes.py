"""Changes and their rollouts."""

from itertools import islice

from egress.v1 import change_pb2
from egress.v1 import change_service_pb2 as pb
from egress_server.commands.changes.history import (
    ChangePage,
    ChangeRef,
    ChangeState,
    ListChanges,
    ListRollouts,
    RolloutPage,
    WaitChange,
    Waited,
    WaitResult,
    get_change,
    list_changes,
    list_rollouts,
    wait_change,
)
from egress_server.commands.changes.revert import RevertChange, revert_change
from egress_server.commands.changes.watch import WatchChanges, WatchEvent, parse_cursor, watch_changes
from egress_server.commands.mutate import MutationOutcome
from egress_server.contract.changes import write_change, write_rollout
from egress_server.contract.common import read_seconds
from egress_server.domain.model.changes import ChangeType
from egress_server.domain.model.errors import invalid
from egress_server.domain.model.limits import DEFAULT_WAIT, MAX_WAIT, MAX_WAITING_FOR
from egress_server.domain.model.names import expect_change, expect_mesh
from egress_server.domain.model.resources import Resource
from egress_server.domain.model.rollout import is_partly_verified
from egress_server.domain.validate import Problems
from egress_server.wire.grammar.collection import read_listing, write_outcome
from egress_server.wire.grammar.handlers import Handlers, handler, stream_handler
from egress_server.wire.grammar.options import read_options


def _decode_get(request: pb.GetChangeRequest) -> ChangeRef:
    return ChangeRef(*expect_change("name", request.name))


def _encode_get(state: ChangeState) -> change_pb2.Change:
    return write_change(state.change, state.rollouts)


def _decode_list(request: pb.ListChangesRequest) -> ListChanges:
    filters = ("resource", "type", "actor", "request_id")
    listing = read_listing(request, filters, key_field="revision", descends=True)
    return ListChanges(expect_mesh("parent", request.parent), listing)


def _encode_list(page: ChangePage) -> pb.ListChangesResponse:
    return pb.ListChangesResponse(changes=map(write_change, page.changes), next_page_token=page.next_page_token)


def _decode_list_rollouts(request: pb.ListClusterRolloutsRequest) -> ListRollouts:
    change = ChangeRef(*expect_change("parent", request.parent))
    return ListRollouts(change, read_listing(request, ("cluster", "state"), key_field="cluster"))


def _encode_list_rollouts(page: RolloutPage) -> pb.ListClusterRolloutsResponse:
    rollouts = map(write_rollout, page.rollouts)
    return pb.ListClusterRolloutsResponse(cluster_rollouts=rollouts, next_page_token=page.next_page_token)


def _decode_wait(request: pb.WaitChangeRequest) -> WaitChange:
    change = ChangeRef(*expect_change("name", request.name))
    if request.until not in pb.WaitChangeRequest.Until.values():
        raise invalid("until", f"{request.until} is unknown; must be one of APPLIED, VERIFIED")
    timeout = read_seconds(request.timeout) if request.HasField("timeout") else DEFAULT_WAIT
    if not 0 <= timeout <= MAX_WAIT:
        raise invalid("timeout", f"must be 0 to {MAX_WAIT:g} s")
    return WaitChange(change, request.until == pb.WaitChangeRequest.VERIFIED, timeout)


def _encode_wait(waited: Waited) -> pb.WaitChangeResponse:
    return pb.WaitChangeResponse(
        change=write_change(waited.state.change, waited.state.rollouts),
        reached=waited.result is WaitResult.REACHED,
        waiting_for=map(write_rollout, waited.behind[:MAX_WAITING_FOR]),
        result=pb.WaitChangeResponse.Result.Value(waited.result.value),
        partly_verified=map(write_rollout, islice(filter(is_partly_verified, waited.state.rollouts), MAX_WAITING_FOR)),
    )


def _decode_watch(request: pb.WatchChangesRequest) -> WatchChanges:
    mesh = expect_mesh("parent", request.parent)
    cursor = parse_cursor(request.cursor) if request.cursor else None
    return WatchChanges(mesh, cursor, request.include_rollouts)


def _encode_watch(event: WatchEvent) -> pb.WatchChangesResponse:
    return pb.WatchChangesResponse(
        cursor=str(event.cursor),
        change=write_change(event.change) if event.change else None,
        rollout=write_rollout(event.rollout) if event.rollout else None,
    )


def _decode_revert(request: pb.RevertChangeRequest) -> RevertChange:
    mesh, revision = expect_change("name", request.name)
    problems = Problems()
    if request.create_only:
        problems.at("create_only").add("is not allowed on reverts: the change determines which resource is restored")
    return RevertChange(mesh, revision, read_options(request, ChangeType.REVERT, request.name, None, problems))


def _encode_revert(outcome: MutationOutcome[Resource]) -> pb.RevertChangeResponse:
    return pb.RevertChangeResponse(resource=outcome.versioned.resource.name, **write_outcome(outcome))


HANDLERS: Handlers = {
    "GetChange": handler(_decode_get, get_change, _encode_get),
    "ListChanges": handler(_decode_list, list_changes, _encode_list),
    "ListClusterRollouts": handler(_decode_list_rollouts, list_rollouts, _encode_list_rollouts),
    "WaitChange": handler(_decode_wait, wait_change, _encode_wait),
    "WatchChanges": stream_handler(_decode_watch, watch_changes, _encode_watch),
    "RevertChange": handler(_decode_revert, revert_change, _encode_revert),
}
