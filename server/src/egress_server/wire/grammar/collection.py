"""Get, list and delete work alike for every kind of resource: written once here, instantiated per kind."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

from google.protobuf.message import Message

from egress_server.commands.mutate import Mutation, MutationOutcome, mutate
from egress_server.commands.read import Get, ListOf, ReadResult, get, list_resources
from egress_server.domain.model.changes import Versioned
from egress_server.domain.model.names import ResourceKind, expect_mesh, expect_name, expect_namespace
from egress_server.domain.model.paging import ListQuery, parse_listing
from egress_server.domain.validate import Problems
from egress_server.pipeline.pipeline import Method
from egress_server.wire.grammar.options import delete_mutation
from egress_server.wire.grammar.outcome import write_outcome


class ListRequest(Protocol):
    """The fields that every list request has."""

    parent: str
    page_size: int
    page_token: str
    filter: str
    order_by: str


def read_listing(
    request: ListRequest, fields: Sequence[str], *, key_field: str = "name", descends: bool = False
) -> ListQuery:
    """The listing; raises InvalidArgument naming the field."""
    return parse_listing(
        page_size=request.page_size,
        page_token=request.page_token,
        filter_text=request.filter,
        order_by=request.order_by,
        fields=fields,
        key_field=key_field,
        descends=descends,
        parent=request.parent,
    )


@dataclass(frozen=True, slots=True)
class Collection:
    """A kind as the contract shows it: what its field is called where a response has one, or many, and how it is
    written as of a revision of an epoch."""

    kind: ResourceKind
    one: str
    many: str
    write: Callable[[Versioned, str], Message]
    namespaced: bool = False

    def permission(self, verb: str) -> str:
        """The permission to do `verb`."""
        return f"egress.{self.kind.value}.{verb}"

    def parent(self, text: str) -> tuple[str, str | None]:
        """Mesh and namespace of a list's parent; None where all namespaces are meant, or the kind has none."""
        if not self.namespaced:
            return expect_mesh("parent", text), None
        mesh, namespace = expect_namespace("parent", text, wildcard=True)
        return mesh, None if namespace == "-" else namespace


def get_method(collection: Collection, path: str, request_type: type[Message], response_type: type[Message]) -> Method:
    """One by its name."""

    def decode(request: Any) -> Get:
        return Get(expect_name("name", request.name, collection.kind))

    def encode(found: ReadResult) -> Message:
        return collection.write(found.resources[0], found.epoch)

    return Method(path, request_type, response_type, collection.permission("get"), decode, get, encode)


def list_method(
    collection: Collection,
    path: str,
    request_type: type[Message],
    response_type: type[Message],
    *,
    filters: tuple[str, ...],
) -> Method:
    """A page of those below a parent; `filters` are the fields that a filter may name."""

    def decode(request: Any) -> ListOf:
        mesh, namespace = collection.parent(request.parent)
        return ListOf(mesh, collection.kind, namespace, read_listing(request, filters))

    def encode(found: ReadResult) -> Message:
        page = [collection.write(versioned, found.epoch) for versioned in found.resources]
        return _make(response_type, {collection.many: page, "next_page_token": found.next_page_token})

    return Method(path, request_type, response_type, collection.permission("list"), decode, list_resources, encode)


def delete_method(
    collection: Collection, path: str, request_type: type[Message], response_type: type[Message]
) -> Method:
    """Deletes one by its name; the response has it as it last was."""

    def decode(request: Any) -> Mutation:
        return delete_mutation(request, str(expect_name("name", request.name, collection.kind)), Problems())

    def encode(outcome: MutationOutcome) -> Message:
        last = collection.write(outcome.versioned, outcome.epoch)
        return _make(response_type, {collection.one: last, **write_outcome(outcome)})

    return Method(
        path, request_type, response_type, collection.permission("delete"), decode, mutate, encode, mutates=True
    )


def _make(type_: type[Message], fields: dict[str, Any]) -> Message:
    """A message of a type that is known only here."""
    return cast(Message, cast(Any, type_)(**fields))
