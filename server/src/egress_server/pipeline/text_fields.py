"""Refuses control characters in requests: stored text is shown on terminals, in logs and in annotations, where a line
break can pretend to be another entry, and an escape sequence can do worse."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from egress_server.domain.validate.problems import Problems
from egress_server.domain.validate.values import CONTROL_CHARACTERS, NO_CONTROL_CHARACTERS

DOCUMENTS = frozenset({"istio_yaml", "kubeconfig"})
"""Fields that hold documents of several lines. Their parsers refuse control characters in values."""

_Check = Callable[[Any, Problems], None]


def check_text_fields(message: Message) -> None:
    """Raises InvalidArgument with the path of each text field or map key that has a control character."""
    problems = Problems()
    _check_message(message, problems)
    problems.raise_if_any()


def _check_message(message: Message, here: Problems) -> None:
    checks = _checks(message.DESCRIPTOR)
    for field, value in message.ListFields():
        if (check := checks.get(field.number)) is not None:
            check(value, here.at(field.name))


@cache
def _checks(descriptor: Descriptor) -> Mapping[int, _Check]:
    """The checks of the fields that hold text, by number."""
    found = {field.number: _check_of(field) for field in descriptor.fields if field.name not in DOCUMENTS}
    return {number: check for number, check in found.items() if check is not None}


def _check_of(field: FieldDescriptor) -> _Check | None:
    kind = field.message_type
    if kind is not None and kind.GetOptions().map_entry:
        value = _check_of(kind.fields_by_name["value"])
        return lambda entries, here: _check_map(entries, value, here)
    single: _Check | None = None
    if kind is not None:
        single = _check_message
    elif field.type == FieldDescriptor.TYPE_STRING:
        single = _check_text
    if single is None or not field.is_repeated:
        return single
    return lambda items, here: _check_each(items, single, here)


def _check_text(text: str, here: Problems) -> None:
    if not text.isprintable() and CONTROL_CHARACTERS.search(text):
        here.add(NO_CONTROL_CHARACTERS)


def _check_each(items: Any, check: _Check, here: Problems) -> None:
    for index, item in enumerate(items):
        check(item, here.at(index))


def _check_map(entries: Mapping[Any, Any], check: _Check | None, here: Problems) -> None:
    for key, value in entries.items():
        if isinstance(key, str):
            _check_text(key, here.key(CONTROL_CHARACTERS.sub("?", key)))
        if check is not None:
            check(value, here.key(str(key)))
