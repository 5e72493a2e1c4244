"""What every mutating request carries at the same field numbers, and what makes two requests the same one."""

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

import msgspec

from egress_server.commands.mutate import Mutation, Options
from egress_server.domain.model.changes import ChangeType
from egress_server.domain.model.names import ResourceKind, expect_name
from egress_server.domain.model.resources import Resource
from egress_server.domain.validate import Problems, check_resource

MAX_ID = 128
MAX_REASON = 1024
MAX_FORCED = 32
_PRINTABLE = re.compile(r"[!-~]{0,128}")
_CODE = re.compile(r"EGR[0-9]{4}")
_encoder = msgspec.json.Encoder(order="sorted")


class MutatingRequest(Protocol):
    """The fields that every mutating request has."""

    request_id: str
    etag: str
    create_only: bool
    validate_only: bool
    reason: str

    @property
    def suppress_findings(self) -> Sequence[str]:
        """Codes of findings to override."""


class NamedRequest(MutatingRequest, Protocol):
    """One about a resource that exists."""

    name: str


def set_mutation(
    request: MutatingRequest, type_: ChangeType, resource: Resource, problems: Problems, place: Problems
) -> Mutation:
    """Sets `resource`; raises InvalidArgument with all that is wrong in `problems`.

    `place` is where the resource stands in the request: what is wrong with the resource is reported below it.
    """
    if not problems.any:
        check_resource(resource, place)
    return _mutation(request, type_, resource.name, resource, problems)


def update_mutation(
    request: MutatingRequest,
    asked: Resource,
    problems: Problems,
    place: Problems,
    amend: Callable[[Resource], Resource],
) -> Mutation:
    """Sets what `amend` makes of the resource that is there, as `asked` for; raises InvalidArgument with all that is
    wrong in `problems`."""
    if request.create_only:
        problems.at("create_only").add("makes no sense here: what is changed must exist")
    return replace(set_mutation(request, ChangeType.SET, asked, problems, place), resource=None, amend=amend)


def read_decision(request: NamedRequest, type_: ChangeType, asked: object, problems: Problems) -> tuple[str, Options]:
    """Name and options of a request that decides something about a cluster, `asked` being what; raises InvalidArgument
    with all that is wrong in `problems`."""
    name = str(expect_name("name", request.name, ResourceKind.CLUSTER))
    if request.create_only:
        problems.at("create_only").add("makes no sense here: what is changed must exist")
    return name, read_options(request, type_, name, asked, problems)


def delete_mutation(
    request: MutatingRequest, name: str, problems: Problems, type_: ChangeType = ChangeType.DELETE
) -> Mutation:
    """Deletes the resource called `name`; raises InvalidArgument with all that is wrong in `problems`."""
    if request.create_only:
        problems.at("create_only").add("makes no sense here: what is deleted must exist")
    return _mutation(request, type_, name, None, problems)


def read_options(request: MutatingRequest, type_: ChangeType, name: str, asked: object, problems: Problems) -> Options:
    """The request's options, for what it does to `name`, `asked` being all else that makes it what it is; raises
    InvalidArgument with all that is wrong."""
    _check(request, problems)
    problems.raise_if_any()
    force = tuple(request.suppress_findings)
    what = (type_, name, asked, request.etag, request.create_only, request.reason, force)
    return Options(
        request_id=request.request_id,
        etag=request.etag,
        create_only=request.create_only,
        validate_only=request.validate_only,
        reason=request.reason,
        suppress_findings=force,
        fingerprint=hashlib.sha256(_encoder.encode(what)).hexdigest(),
    )


def _mutation(
    request: MutatingRequest, type_: ChangeType, name: str, resource: Resource | None, problems: Problems
) -> Mutation:
    return Mutation(name, type_, resource, read_options(request, type_, name, resource, problems))


def _check(request: MutatingRequest, problems: Problems) -> None:
    if not _PRINTABLE.fullmatch(request.request_id):
        problems.at("request_id").add(f"must be at most {MAX_ID} printable ASCII characters without spaces")
    if not _PRINTABLE.fullmatch(request.etag):
        problems.at("etag").add("is no etag of ours")
    if len(request.reason.encode()) > MAX_REASON:
        problems.at("reason").add(f"must be at most {MAX_REASON} bytes")
    if len(request.suppress_findings) > MAX_FORCED:
        problems.at("suppress_findings").add(f"at most {MAX_FORCED} are allowed")
    for index, code in enumerate(request.suppress_findings[:MAX_FORCED]):
        if not _CODE.fullmatch(code):
            problems.at("suppress_findings", index).add("must be a code such as EGR0101")
