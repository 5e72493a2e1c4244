"""Sets one field of a message from text: a path variable, a query parameter or a header.

Names are dotted paths in proto or JSON spelling; one entry of a map is `labels[KEY]`, since keys hold dots themselves.
A field that was set before, by the body say, may be given again with the same value only.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from egress_server.domain.validate.problems import Problems
from egress_server.gateway.transcoder.shapes import SHOWN, Field, Shape, excludes, fill, map_entry

_NAME = re.compile(r"(?P<dotted>[^\[\]]*)(?:\[(?P<key>.*)\])?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Parameter:
    """A name with its texts, more than one for a repeated field, and where they came from, such as `query`."""

    name: str
    texts: Sequence[str]
    source: str

    def set_on(self, message: Message, shape: Shape, problems: Problems) -> None:
        """Sets the field on `message`, whose shape is `shape`, or adds what is wrong."""
        match = _NAME.fullmatch(self.name)
        dotted, key = (match["dotted"], match["key"]) if match else (self.name, None)
        *above, last = dotted.split(".")
        for step in above:
            entry = self._enter(message, shape, step, problems)
            if entry is None:
                return
            problems = problems.at(entry.name)
            if entry.shape is None or entry.descriptor.is_repeated:
                problems.add(f"has no fields that can be given in the {self.source}")
                return
            message, shape = getattr(message, entry.name), entry.shape
        if (entry := self._enter(message, shape, last, problems)) is not None:
            self._set_leaf(message, entry, key, problems.at(entry.name))

    def _enter(self, message: Message, shape: Shape, step: str, problems: Problems) -> Field | None:
        """The field named `step`; adds what is wrong where there is none or another of its oneof is set."""
        if (entry := shape.fields.get(step)) is None:
            problems.at(step[:SHOWN]).add("no such field")
        elif entry.oneof and (other := message.WhichOneof(entry.oneof)) not in (None, entry.name):
            problems.at(entry.name).add(excludes(str(other)))
            return None
        return entry

    def _set_leaf(self, message: Message, entry: Field, key: str | None, here: Problems) -> None:
        if (key is not None) != (map_entry(entry.descriptor) is not None):
            here.add("is a map: name one entry, NAME[KEY]" if key is None else "is not a map")
        elif entry.shape is not None:
            here.add(f"is an object and can't be given in the {self.source}")
        elif len(self.texts) > 1 and (key is not None or not entry.descriptor.is_repeated):
            here.add(f"is given more than once in the {self.source}")
        else:
            self._convert(message, entry, key, here)

    def _convert(self, message: Message, entry: Field, key: str | None, here: Problems) -> None:
        """Converts as the same value in a body would be, in a message of its own, and merges that."""
        value = _json(entry.descriptor, self.texts, key)
        trial = Problems(here.path)
        entry.check(value, trial)
        if trial.any:
            entry.check(value, here)
            return
        fresh = type(message)()
        fill(fresh, {entry.name: value})
        old, new = getattr(message, entry.name), getattr(fresh, entry.name)
        if key is not None:
            ((mapped, item),) = new.items()
            given = mapped in old
            clash = given and old[mapped] != item
        else:
            given = _is_set(message, entry.descriptor)
            clash = given and old != new
        if clash:
            here.add(f"differs from the value in the {self.source}")
        elif not given:
            message.MergeFrom(fresh)


def _json(entry: FieldDescriptor, texts: Sequence[str], key: str | None) -> object:
    if (pair := map_entry(entry)) is not None:
        return {key: _json_scalar(pair.fields_by_name["value"], texts[0])}
    if entry.is_repeated:
        return [_json_scalar(entry, text) for text in texts]
    return _json_scalar(entry, texts[0])


def _json_scalar(entry: FieldDescriptor, text: str) -> object:
    """JSON takes numbers, times and enums as strings, but booleans only as such."""
    if entry.type == FieldDescriptor.TYPE_BOOL:
        return {"true": True, "false": False}.get(text, text)
    return text


def _is_set(message: Message, entry: FieldDescriptor) -> bool:
    if entry.has_presence:
        return message.HasField(entry.name)
    value = getattr(message, entry.name)
    return bool(value) if entry.is_repeated else bool(value != entry.default_value)
