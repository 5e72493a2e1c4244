"""Sets one field of a message from text: a path variable, a query parameter or a header.

Names are dotted paths in proto or JSON spelling. An entry of a map is `labels[KEY]`, because keys can contain dots. A
field that is already set, by the body for example, can only be set again to the same value.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from egress_server.gateway.transcoder.problems import SHOWN, ProblemCollector, Trial
from egress_server.gateway.transcoder.shapes import Field, Shape, exclusive, fill, map_entry

_NAME = re.compile(r"(?P<dotted>[^\[\]]*)(?:\[(?P<key>.*)\])?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Parameter:
    """A name with its texts, several for a repeated field, and their source, such as `query`."""

    name: str
    texts: Sequence[str]
    source: str

    def set_on(self, message: Message, shape: Shape, problems: ProblemCollector) -> None:
        """Sets the field on `message`, whose shape is `shape`, or adds a problem."""
        match = _NAME.fullmatch(self.name)
        dotted, key = (match["dotted"], match["key"]) if match else (self.name, None)
        *above, last = dotted.split(".")
        for step in above:
            entry = self._enter(message, shape, step, problems)
            if entry is None:
                return
            problems = problems.at(entry.name)
            if entry.shape is None or entry.descriptor.is_repeated:
                problems.add(f"has no fields that can be set in the {self.source}")
                return
            message, shape = getattr(message, entry.name), entry.shape
        if (entry := self._enter(message, shape, last, problems)) is not None:
            self._set_leaf(message, entry, key, problems.at(entry.name))

    def _enter(self, message: Message, shape: Shape, step: str, problems: ProblemCollector) -> Field | None:
        """The field named `step`. Adds a problem if there is none, or if another field of its oneof is set."""
        if (entry := shape.fields.get(step)) is None:
            problems.at(step[:SHOWN]).add("unknown field")
        elif entry.oneof and (other := message.WhichOneof(entry.oneof)) not in (None, entry.name):
            problems.at(entry.name).add(exclusive(str(other), entry.name))
            return None
        return entry

    def _set_leaf(self, message: Message, entry: Field, key: str | None, here: ProblemCollector) -> None:
        if (key is not None) != (map_entry(entry.descriptor) is not None):
            here.add("is a map; set a single entry as NAME[KEY]" if key is None else "is not a map")
        elif entry.shape is not None:
            here.add(f"is an object and cannot be set in the {self.source}")
        elif len(self.texts) > 1 and (key is not None or not entry.descriptor.is_repeated):
            here.add(f"is set more than once in the {self.source}")
        else:
            self._convert(message, entry, key, here)

    def _convert(self, message: Message, entry: Field, key: str | None, here: ProblemCollector) -> None:
        """Converts the value as if it were in a body, into a message of its own, and merges that."""
        value = _json(entry.descriptor, self.texts, key)
        trial = Trial()
        entry.check(value, trial)
        if trial.any:
            entry.check(value, here)
            return
        fresh = type(message)()
        fill(fresh, {entry.name: value})
        old, new = getattr(message, entry.name), getattr(fresh, entry.name)
        if key is not None:
            ((mapped, item),) = new.items()
            is_set = mapped in old
            conflict = is_set and old[mapped] != item
        else:
            is_set = _is_set(message, entry.descriptor)
            conflict = is_set and old != new
        if conflict:
            here.add(f"is set to a different value in the {self.source}")
        elif not is_set:
            message.MergeFrom(fresh)


def _json(entry: FieldDescriptor, texts: Sequence[str], key: str | None) -> object:
    if (pair := map_entry(entry)) is not None:
        return {key: _json_scalar(pair.fields_by_name["value"], texts[0])}
    if entry.is_repeated:
        return [_json_scalar(entry, text) for text in texts]
    return _json_scalar(entry, texts[0])


def _json_scalar(entry: FieldDescriptor, text: str) -> object:
    """JSON accepts numbers, times and enums as strings, but not booleans."""
    if entry.type == FieldDescriptor.TYPE_BOOL:
        return {"true": True, "false": False}.get(text, text)
    return text


def _is_set(message: Message, entry: FieldDescriptor) -> bool:
    if entry.has_presence:
        return message.HasField(entry.name)
    value = getattr(message, entry.name)
    return bool(value) if entry.is_repeated else bool(value != entry.default_value)
