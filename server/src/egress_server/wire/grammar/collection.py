"""Get, list and delete work the same for every kind of resource, and so do the responses of mutations."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

from google.protobuf.message import Message

from egress_server.commands.mutate import Mutation, MutationOutcome, mutate
from egress_server.commands.read import Get, ListOf, ReadResult, get, list_resources
from egress_server.contract.changes import write_change, write_plan
from egress_server.contract.common import write_finding
from egress_server.domain.model.changes import Versioned
from egress_server.domain.model.names import ResourceKind, expect_mesh, expect_name, expect_namespace
from egress_server.domain.model.paging import ListQuery, parse_listing
from egress_server.domain.validate import Problems
from egress_server.wire.grammar.handlers import Handler, handler
from egress_server.wire.grammar.options import delete_mutation


class ListRequest(Protocol):
    """The fields that every list request has."""

    parent: str
    page_size: int
    page_token: str
    filter: str
    order_by: str


def read_listing(
    request: ListRequest,
    fields: Sequence[str],
    *,
    key_field: str = "name",
    descends: bool = False,
    view: str = "",
) -> ListQuery:
    """The page that a request asks for. A page token is valid for the request's parent and `view`. Raises
    InvalidArgument naming the field."""
    return parse_listing(
        page_size=request.page_size,
        page_token=request.page_token,
        filter_text=request.filter,
        order_by=request.order_by,
        fields=fields,
        key_field=key_field,
        descends=descends,
        parent=f"{request.parent}/{view}" if view else request.parent,
    )


@dataclass(frozen=True, slots=True)
class Collection:
    """A kind of resource in the contract. `write` makes the message of a resource, with the store's epoch."""

    kind: ResourceKind
    write: Callable[[Versioned[Any], str], Message]
    namespaced: bool = False

    def get(self) -> Handler:
        """Returns a resource by its name."""

        def decode(request: Any) -> Get:
            return Get(expect_name("name", request.name, self.kind))

        def encode(found: ReadResult) -> Message:
            return self.write(found.resources[0], found.epoch)

        return handler(decode, get, encode)

    def list(self, response_type: type[Message], *, filters: tuple[str, ...]) -> Handler:
        """Lists a page of the resources below a parent; `filters` are the filterable fields."""
        items = _first_field(response_type)

        def decode(request: Any) -> ListOf:
            mesh, namespace = self._parent(request.parent)
            return ListOf(mesh, self.kind, namespace, read_listing(request, filters))

        def encode(found: ReadResult) -> Message:
            page = [self.write(versioned, found.epoch) for versioned in found.resources]
            return _make(response_type, {items: page, "next_page_token": found.next_page_token})

        return handler(decode, list_resources, encode)

    def delete(self, response_type: type[Message]) -> Handler:
        """Deletes a resource by its name; the response has its last state."""

        def decode(request: Any) -> Mutation[Any]:
            return delete_mutation(request, str(expect_name("name", request.name, self.kind)), Problems())

        return handler(decode, mutate, self.outcome(response_type))

    def outcome(self, response_type: type[Message]) -> Callable[[MutationOutcome[Any]], Message]:
        """Writes the response of a mutation, whose first field has the resource."""
        resource = _first_field(response_type)

        def encode(outcome: MutationOutcome[Any]) -> Message:
            written = self.write(outcome.versioned, outcome.epoch)
            return _make(response_type, {resource: written, **write_outcome(outcome)})

        return encode

    def _parent(self, text: str) -> tuple[str, str | None]:
        """Mesh and namespace of a list's parent; None for all namespaces, and for kinds without one."""
        if not self.namespaced:
            return expect_mesh("parent", text), None
        mesh, namespace = expect_namespace("parent", text, wildcard=True)
        return mesh, None if namespace == "-" else namespace


def write_outcome(outcome: MutationOutcome[Any]) -> Mapping[str, Any]:
    """The fields change, findings and plan of a mutation's response, by name."""
    return {
        "change": write_change(outcome.change) if outcome.change else None,
        "findings": [write_finding(finding) for finding in outcome.findings],
        "plan": write_plan(outcome.plan) if outcome.plan else None,
    }


def _first_field(type_: type[Message]) -> str:
    """The name of field 1: the contract has the resource, or the resources, there."""
    return type_.DESCRIPTOR.fields_by_number[1].name


def _make(type_: type[Message], fields: dict[str, Any]) -> Message:
    """A message of a type that is only known at run time."""
    return cast(Message, cast(Any, type_)(**fields))
