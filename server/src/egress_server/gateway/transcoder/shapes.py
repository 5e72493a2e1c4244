"""Checks messages in JSON: finds all problems of a body, with their paths in proto names.

json_format stops at the first problem, does not always give a path, and its errors name Python types. So a body is
checked here first, in one pass along the descriptor. json_format then only converts what is known to be valid.
"""

from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field as dataclass_field

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message import Message

from egress_server.gateway.transcoder.problems import SHOWN, ProblemCollector, malformed
from egress_server.gateway.transcoder.scalars import key_problem_of, problem_of

Check = Callable[[object, ProblemCollector], None]
"""Checks a JSON value and adds its problems."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field, with the check of its JSON value. `shape` is set if that is a JSON object with fields."""

    name: str
    descriptor: FieldDescriptor
    oneof: str
    shape: "Shape | None"
    check: Check


@dataclass(frozen=True, slots=True)
class Shape:
    """The fields of a message, by JSON name and by proto name. Both are accepted everywhere."""

    full_name: str
    fields: dict[str, Field] = dataclass_field(default_factory=dict)

    def check(self, value: object, problems: ProblemCollector) -> None:
        """Adds all problems of a JSON value as this message."""
        if not isinstance(value, dict):
            problems.add("must be a JSON object")
            return
        seen: dict[str, str] = {}
        for key, item in value.items():
            if (entry := self.fields.get(key)) is None:
                problems.at(key[:SHOWN]).add("unknown field")
            elif item is not None:
                here = problems.at(entry.name)
                if entry.name in seen:
                    here.add("is set twice")
                elif (other := seen.get(entry.oneof)) is not None:
                    here.add(exclusive(other, entry.name))
                seen[entry.name] = seen[entry.oneof or entry.name] = entry.name
                entry.check(item, here)


def shape_of(descriptor: Descriptor, known: dict[str, Shape]) -> Shape:
    """The shape of a message type. `known` has the shapes made so far, because types share and contain each other.

    Raises TypeError for a type without a known JSON form.
    """
    if (shape := known.get(descriptor.full_name)) is None:
        shape = known[descriptor.full_name] = Shape(descriptor.full_name)
        for entry in descriptor.fields:
            shape.fields[entry.name] = shape.fields[entry.json_name] = _field(entry, known)
    return shape


def fill(message: Message, value: dict[str, object]) -> None:
    """Converts a JSON object that was checked.

    Raises TranscodingError if the converter has a rule that the check does not.
    """
    try:
        ParseDict(value, message)
    except ParseError:
        kind = message.DESCRIPTOR.full_name
        raise malformed(f"request body is not a valid {kind}") from None


def exclusive(first: str, second: str) -> str:
    """The problem of setting two fields of one oneof."""
    return f"only one of {first} and {second} may be set"


def map_entry(field: FieldDescriptor) -> Descriptor | None:
    """The type of the entries of a map field, with the fields `key` and `value`; None for other fields."""
    kind = field.message_type
    return kind if kind is not None and kind.GetOptions().map_entry else None


def object_type(field: FieldDescriptor) -> Descriptor | None:
    """The type of a field whose single value is a JSON object with fields.

    None for scalars and maps, and for well-known types, which are strings in JSON.
    """
    kind = field.message_type
    if kind is None or kind.GetOptions().map_entry or kind.full_name.startswith("google.protobuf."):
        return None
    return kind


def _field(entry: FieldDescriptor, known: dict[str, Shape]) -> Field:
    oneof = entry.containing_oneof.name if entry.containing_oneof is not None else ""
    if (pair := map_entry(entry)) is not None:
        return Field(entry.name, entry, oneof, None, _map(pair, known))
    kind = object_type(entry)
    shape = shape_of(kind, known) if kind is not None else None
    check = _element(entry, known)
    return Field(entry.name, entry, oneof, shape, _repeated(check) if entry.is_repeated else check)


def _element(entry: FieldDescriptor, known: dict[str, Shape]) -> Check:
    if (kind := object_type(entry)) is not None:
        return shape_of(kind, known).check
    problem_in = problem_of(entry)

    def check(value: object, problems: ProblemCollector) -> None:
        if (problem := problem_in(value)) is not None:
            problems.add(problem)

    return check


def _repeated(element: Check) -> Check:
    def check(value: object, problems: ProblemCollector) -> None:
        if not isinstance(value, list):
            problems.add("must be a JSON array")
            return
        for index, item in enumerate(value):
            if item is None:
                problems.at(index).add("must not be null")
            else:
                element(item, problems.at(index))

    return check


def _map(pair: Descriptor, known: dict[str, Shape]) -> Check:
    key, value = (pair.fields_by_name[name] for name in ("key", "value"))
    key_problem_in = key_problem_of(key)
    element = _element(value, known)

    def check(value: object, problems: ProblemCollector) -> None:
        if not isinstance(value, dict):
            problems.add("must be a JSON object")
            return
        for name, item in value.items():
            here = problems.key(name[:SHOWN])
            if (problem := key_problem_in(name)) is not None:
                here.add(f"the key {problem}")
            elif item is None:
                here.add("must not be null")
            else:
                element(item, here)

    return check
