"""The contract's google.api.http rules as a table that finds the method of a request."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from google.api import annotations_pb2
from google.protobuf.descriptor import Descriptor, MethodDescriptor

from egress_server.gateway.transcoder.template import Capture, PathTemplate
from egress_server.pipeline.pipeline import Method, StreamMethod

T = TypeVar("T")
_VERBS = ("get", "put", "post", "delete", "patch")


@dataclass(frozen=True, slots=True)
class Binding:
    """One way to call a method: HTTP verb, path and the rule's `body` (`*`, a field's name, or empty)."""

    method: Method | StreamMethod
    descriptor: MethodDescriptor
    verb: str
    template: PathTemplate
    body: str


@dataclass(frozen=True, slots=True)
class RouteMatch(Generic[T]):
    """A path that some method has: what serves the verb asked for, if anything does, and every verb there is."""

    target: T | None
    captures: tuple[Capture, ...]
    allowed: tuple[str, ...]


class RouteTable(Generic[T]):
    """Finds what serves a request; of two templates that match, the narrower one wins."""

    def __init__(self, targets: Iterable[tuple[Binding, T]]) -> None:
        self._by_verb: dict[str, list[tuple[PathTemplate, T]]] = {}
        for binding, target in sorted(targets, key=lambda pair: pair[0].template.specificity):
            self._by_verb.setdefault(binding.verb, []).append((binding.template, target))

    def find(self, verb: str, raw_path: str) -> RouteMatch[T] | None:
        """What is at a path as sent; None where nothing is under any verb."""
        for template, target in self._by_verb.get(verb, ()):
            if (captures := template.match(raw_path)) is not None:
                return RouteMatch(target, captures, ())
        allowed = [
            each
            for each, routes in self._by_verb.items()
            if any(template.match(raw_path) is not None for template, _ in routes)
        ]
        return RouteMatch(None, (), tuple(sorted(allowed))) if allowed else None


def bindings_of(methods: Mapping[str, Method | StreamMethod]) -> list[Binding]:
    """The bindings of all methods, in their order.

    Raises ValueError where a method has no rule, or a rule names what its request does not have.
    """
    return [binding for method in methods.values() for binding in _bindings(method)]


def _bindings(method: Method | StreamMethod) -> Iterator[Binding]:
    pool: Any = method.request_type.DESCRIPTOR.file.pool
    descriptor = pool.FindMethodByName(method.path.strip("/").replace("/", "."))
    rule = descriptor.GetOptions().Extensions[annotations_pb2.http]
    for each in (rule, *rule.additional_bindings):
        verb = each.WhichOneof("pattern")
        if verb not in _VERBS or each.response_body:
            raise ValueError(f"{method.path} needs a google.api.http rule of one of {_VERBS}")
        template = PathTemplate.parse(getattr(each, verb))
        binding = Binding(method, descriptor, verb.upper(), template, each.body)
        _check_fields(binding)
        yield binding


def _check_fields(binding: Binding) -> None:
    """Refuses a rule whose fields the request lacks, at start rather than at the first call."""
    fields = [*binding.template.fields, *([binding.body] if binding.body not in ("", "*") else [])]
    for path in fields:
        message: Descriptor | None = binding.descriptor.input_type
        for step in path.split("."):
            field = message.fields_by_name.get(step) if message is not None else None
            if field is None:
                raise ValueError(f"{binding.method.path}: {binding.template.text} names no field {path}")
            message = field.message_type
