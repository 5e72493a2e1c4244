"""The google.api.http rules of RPCs as a table that finds the RPC of a request."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from google.api import annotations_pb2
from google.protobuf.descriptor import Descriptor, MethodDescriptor

from egress_server.gateway.transcoder.template import Capture, PathTemplate

T = TypeVar("T")
_VERBS = ("get", "put", "post", "delete", "patch")


@dataclass(frozen=True, slots=True)
class Binding:
    """A way to call an RPC: HTTP verb, path and the rule's `body` (`*`, the name of a field, or empty)."""

    rpc: MethodDescriptor
    verb: str
    template: PathTemplate
    body: str


@dataclass(frozen=True, slots=True)
class RouteMatch(Generic[T]):
    """A known path: the target of the requested verb, if there is one, and otherwise the allowed verbs."""

    target: T | None
    captures: tuple[Capture, ...]
    allowed: tuple[str, ...]


class RouteTable(Generic[T]):
    """Finds the target of a request. If several templates match, the most specific one applies."""

    def __init__(self, targets: Iterable[tuple[Binding, T]]) -> None:
        self._by_verb: dict[str, list[tuple[PathTemplate, T]]] = {}
        for binding, target in sorted(targets, key=lambda pair: pair[0].template.specificity):
            self._by_verb.setdefault(binding.verb, []).append((binding.template, target))

    def find(self, verb: str, raw_path: str) -> RouteMatch[T] | None:
        """The match of a path as sent; None if the path is unknown."""
        for template, target in self._by_verb.get(verb, ()):
            if (captures := template.match(raw_path)) is not None:
                return RouteMatch(target, captures, ())
        allowed = [
            each
            for each, routes in self._by_verb.items()
            if any(template.match(raw_path) is not None for template, _ in routes)
        ]
        return RouteMatch(None, (), tuple(sorted(allowed))) if allowed else None


def bindings_of(rpcs: Iterable[MethodDescriptor]) -> list[Binding]:
    """The bindings of all RPCs, in order.

    Raises ValueError if an RPC has no rule, or its rule has a field that the request does not have.
    """
    return [binding for rpc in rpcs for binding in _bindings(rpc)]


def _bindings(rpc: MethodDescriptor) -> Iterator[Binding]:
    options: Any = rpc.GetOptions()
    rule = options.Extensions[annotations_pb2.http]
    for each in (rule, *rule.additional_bindings):
        verb = each.WhichOneof("pattern")
        if verb not in _VERBS or each.response_body:
            raise ValueError(f"{rpc.full_name} needs a google.api.http rule with one of {', '.join(_VERBS)}")
        template = PathTemplate.parse(getattr(each, verb))
        binding = Binding(rpc, verb.upper(), template, each.body)
        _check_fields(binding)
        yield binding


def _check_fields(binding: Binding) -> None:
    """Rejects a rule with fields that the request does not have, at start-up rather than at the first call."""
    fields = [*binding.template.fields, *([binding.body] if binding.body not in ("", "*") else [])]
    for path in fields:
        message: Descriptor | None = binding.rpc.input_type
        for step in path.split("."):
            field = message.fields_by_name.get(step) if message is not None else None
            if field is None:
                raise ValueError(f"{binding.rpc.full_name}: {binding.template.text} has an unknown field {path}")
            message = field.message_type
