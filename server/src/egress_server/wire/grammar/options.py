"""The options that all mutating requests share, and what identifies a request."""

import hashlib
import re
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

import msgspec
from google.protobuf.descriptor import Descriptor

from egress_server.commands.mutate import Mutation, Options
from egress_server.domain.lint.engine import ALL_RULES
from egress_server.domain.model.changes import ChangeType
from egress_server.domain.model.limits import MAX_ETAG, MAX_REASON_BYTES, MAX_REQUEST_ID, MAX_SUPPRESSED_FINDINGS
from egress_server.domain.model.names import ResourceKind, expect_name
from egress_server.domain.model.resources import Resource
from egress_server.domain.validate import Problems, check_resource

FIELDS = {
    11: "request_id",
    12: "etag",
    13: "create_only",
    14: "validate_only",
    15: "reason",
    16: "suppress_findings",
}
"""The fields of the options by number, the same in every mutating request."""
_PRINTABLE = re.compile(r"[!-~]*")
_CODES = frozenset(rule.code for rule in ALL_RULES)
_encoder = msgspec.json.Encoder(order="sorted")
R = TypeVar("R", bound=Resource)


class MutatingRequest(Protocol):
    """The fields that every mutating request has."""

    request_id: str
    etag: str
    create_only: bool
    validate_only: bool
    reason: str

    @property
    def suppress_findings(self) -> Sequence[str]:
        """Codes of findings to suppress."""


class NamedRequest(MutatingRequest, Protocol):
    """A mutating request about an existing resource."""

    name: str


def has_mutation_options(request_type: Descriptor) -> bool:
    """Whether requests of this type mutate. Raises ValueError if only some of the options are there."""
    found = {field.number: field.name for field in request_type.fields if field.number in FIELDS}
    if found and found != FIELDS:
        raise ValueError(f"{request_type.full_name} must have all mutation options or none: {FIELDS}")
    return bool(found)


def set_mutation(
    request: MutatingRequest, type_: ChangeType, resource: R, problems: Problems, place: Problems
) -> Mutation[R]:
    """Sets `resource`, which the request has at `place`. Raises InvalidArgument with all `problems`."""
    return Mutation(resource.name, type_, resource, resource_options(request, type_, resource, problems, place))


def update_mutation(
    request: MutatingRequest, requested: R, problems: Problems, place: Problems, amend: Callable[[R], R]
) -> Mutation[R]:
    """Changes an existing resource by `amend`. `requested` is what the request has at `place`. Raises InvalidArgument
    with all `problems`."""
    _require_existing(request, "updates", problems)
    options = resource_options(request, ChangeType.SET, requested, problems, place)
    return Mutation(requested.name, ChangeType.SET, None, options, amend)


def delete_mutation(
    request: MutatingRequest, name: str, problems: Problems, type_: ChangeType = ChangeType.DELETE
) -> Mutation[Any]:
    """Deletes the resource called `name`. Raises InvalidArgument with all `problems`."""
    _require_existing(request, "deletes", problems)
    return Mutation(name, type_, None, read_options(request, type_, name, None, problems))


def cluster_options(
    request: NamedRequest, type_: ChangeType, content: object, problems: Problems
) -> tuple[str, Options]:
    """Name and options of a request about an existing cluster; `content` is what it asks for. Raises InvalidArgument
    with all `problems`."""
    name = str(expect_name("name", request.name, ResourceKind.CLUSTER))
    _require_existing(request, "updates", problems)
    return name, read_options(request, type_, name, content, problems)


def resource_options(
    request: MutatingRequest, type_: ChangeType, resource: Resource, problems: Problems, place: Problems
) -> Options:
    """The options of a request that sets `resource`, which it has at `place`. Raises InvalidArgument with all
    `problems`, including those of the resource: requests are validated here and nowhere else."""
    check_resource(resource, place)
    return read_options(request, type_, resource.name, resource, problems)


def read_options(
    request: MutatingRequest, type_: ChangeType, name: str, content: object, problems: Problems
) -> Options:
    """The options of a request about `name`; `content` is everything else that identifies the request. Raises
    InvalidArgument with all `problems`."""
    _check_options(request, problems)
    problems.raise_if_any()
    suppressed = tuple(request.suppress_findings)
    identity = (type_, name, content, request.etag, request.create_only, request.reason, suppressed)
    return Options(
        request_id=request.request_id,
        etag=request.etag,
        create_only=request.create_only,
        validate_only=request.validate_only,
        reason=request.reason,
        suppress_findings=suppressed,
        fingerprint=hashlib.sha256(_encoder.encode(identity)).hexdigest(),
    )


def _require_existing(request: MutatingRequest, requests: str, problems: Problems) -> None:
    if request.create_only:
        problems.at("create_only").add(f"is not allowed on {requests}: the resource must already exist")


def _check_options(request: MutatingRequest, problems: Problems) -> None:
    if len(request.request_id) > MAX_REQUEST_ID or not _PRINTABLE.fullmatch(request.request_id):
        problems.at("request_id").add(f"must be at most {MAX_REQUEST_ID} printable ASCII characters without spaces")
    if len(request.etag) > MAX_ETAG or not _PRINTABLE.fullmatch(request.etag):
        problems.at("etag").add("is not a valid etag")
    if len(request.reason.encode()) > MAX_REASON_BYTES:
        problems.at("reason").add(f"must be at most {MAX_REASON_BYTES} bytes")
    if len(request.suppress_findings) > MAX_SUPPRESSED_FINDINGS:
        problems.at("suppress_findings").add(f"must have at most {MAX_SUPPRESSED_FINDINGS} codes")
    for index, code in enumerate(request.suppress_findings[:MAX_SUPPRESSED_FINDINGS]):
        if code not in _CODES:
            problems.at("suppress_findings", index).add("must be the code of a finding, such as EGR0101")
