"""Get, list and delete are alike for every kind of resource: made here once, named for each kind in `methods/`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from google.protobuf.message import Message

from egress_server.commands.mutate import Mutation, Outcome, mutate
from egress_server.commands.read import Found, Get, ListOf, get, list_resources
from egress_server.domain.changes import Versioned
from egress_server.domain.names import Kind, expect_mesh, expect_name, expect_namespace
from egress_server.domain.validate import Problems
from egress_server.pipeline import Method
from egress_server.wire.convert.outcome import write_outcome
from egress_server.wire.listing import read_listing
from egress_server.wire.options import delete_mutation


@dataclass(frozen=True, slots=True)
class Collection:
    """A kind as the contract shows it: what its field is called where a response has one, or many, and how it is
    written as of a revision of an epoch."""

    kind: Kind
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

    def encode(found: Found) -> Message:
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

    def encode(found: Found) -> Message:
        page = [collection.write(versioned, found.epoch) for versioned in found.resources]
        return _make(response_type, {collection.many: page, "next_page_token": found.next_page_token})

    return Method(path, request_type, response_type, collection.permission("list"), decode, list_resources, encode)


def delete_method(
    collection: Collection, path: str, request_type: type[Message], response_type: type[Message]
) -> Method:
    """Deletes one by its name; the response has it as it last was."""

    def decode(request: Any) -> Mutation:
        return delete_mutation(request, str(expect_name("name", request.name, collection.kind)), Problems())

    def encode(outcome: Outcome) -> Message:
        last = collection.write(outcome.versioned, outcome.epoch)
        return _make(response_type, {collection.one: last, **write_outcome(outcome)})

    return Method(
        path, request_type, response_type, collection.permission("delete"), decode, mutate, encode, mutates=True
    )


def _make(type_: type[Message], fields: dict[str, Any]) -> Message:
    """A message of a type that is known only here."""
    return cast(Message, cast(Any, type_)(**fields))
