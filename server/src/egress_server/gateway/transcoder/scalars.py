"""Checks scalars in JSON, with messages that do not refer to a programming language.

json_format is less strict than the proto3 JSON mapping (it accepts `true` as enum number 1) and its errors name Python
types, so every value is checked here first.
"""

import base64
import binascii
import re
from collections.abc import Callable
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

Problem = Callable[[object], str | None]
"""Returns the problem of a JSON value, None if there is none."""

_INTEGER_TEXT = re.compile(r"-?[0-9]{1,20}")
_NUMBER_TEXT = re.compile(r"-?[0-9]{1,400}(?:\.[0-9]{1,400})?(?:[eE][-+]?[0-9]{1,4})?")
_INT32 = (-(2**31), 2**31 - 1)
_INT64 = (-(2**63), 2**63 - 1)
_UINT32 = (0, 2**32 - 1)
_UINT64 = (0, 2**64 - 1)
_BOUNDS = {
    FieldDescriptor.TYPE_INT32: _INT32,
    FieldDescriptor.TYPE_SINT32: _INT32,
    FieldDescriptor.TYPE_SFIXED32: _INT32,
    FieldDescriptor.TYPE_INT64: _INT64,
    FieldDescriptor.TYPE_SINT64: _INT64,
    FieldDescriptor.TYPE_SFIXED64: _INT64,
    FieldDescriptor.TYPE_UINT32: _UINT32,
    FieldDescriptor.TYPE_FIXED32: _UINT32,
    FieldDescriptor.TYPE_UINT64: _UINT64,
    FieldDescriptor.TYPE_FIXED64: _UINT64,
}
_FLOAT_MAX = {
    FieldDescriptor.TYPE_FLOAT: 3.4028234663852886e38,
    FieldDescriptor.TYPE_DOUBLE: 1.7976931348623157e308,
}


def problem_of(field: FieldDescriptor) -> Problem:
    """The check of a value of `field`. Raises TypeError for a message type without a scalar form in JSON."""
    if field.message_type is not None:
        return _well_known(field.message_type.full_name)
    if field.enum_type is not None:
        names = [v.name for v in field.enum_type.values]
        return _enum(frozenset(names), [v.name for v in field.enum_type.values if v.number])
    if field.type in _BOUNDS:
        return _integer(*_BOUNDS[field.type])
    if field.type in _FLOAT_MAX:
        return _number(_FLOAT_MAX[field.type])
    return {
        FieldDescriptor.TYPE_STRING: _string,
        FieldDescriptor.TYPE_BOOL: _bool,
        FieldDescriptor.TYPE_BYTES: _bytes,
    }[field.type]


def key_problem_of(field: FieldDescriptor) -> Problem:
    """The check of a map key, which is always a string in JSON."""
    if field.type == FieldDescriptor.TYPE_BOOL:
        return lambda key: None if key in ("true", "false") else "must be true or false"
    return problem_of(field)


def _string(value: object) -> str | None:
    if not isinstance(value, str):
        return "must be a string"
    # JSON can contain an unpaired surrogate; UTF-8, and so protobuf, cannot.
    if not value.isascii() and any("\ud800" <= c <= "\udfff" for c in value):
        return "must be valid Unicode: it contains an unpaired surrogate"
    return None


def _bool(value: object) -> str | None:
    return None if isinstance(value, bool) else "must be true or false"


def _bytes(value: object) -> str | None:
    if isinstance(value, str) and value.isascii():
        try:
            base64.b64decode(value + "=" * (-len(value) % 4), altchars=b"-_", validate=True)
        except binascii.Error:
            pass
        else:
            return None
    return "must be base64 text"


def _integer(low: int, high: int) -> Problem:
    text = f"must be an integer from {low} to {high}"

    def problem(value: object) -> str | None:
        number = _as_integer(value)
        return None if number is not None and low <= number <= high else text

    return problem


def _as_integer(value: object) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        if _INTEGER_TEXT.fullmatch(value):
            return int(value)
        value = float(value) if _NUMBER_TEXT.fullmatch(value) else None
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) else None


def _number(limit: float) -> Problem:
    def problem(value: object) -> str | None:
        if value in ("NaN", "Infinity", "-Infinity"):
            return None
        text = str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value
        if not isinstance(text, str) or not _NUMBER_TEXT.fullmatch(text):
            return "must be a number"
        return None if abs(float(text)) <= limit else "is out of range"

    return problem


def _enum(names: frozenset[str], shown: list[str]) -> Problem:
    """Unknown numbers pass: they are rejected when the message is decoded, in the same way for all transports."""
    text = f"must be one of {', '.join(shown)}"

    def problem(value: object) -> str | None:
        if isinstance(value, str) and not _INTEGER_TEXT.fullmatch(value):
            return None if value in names else text
        number = _as_integer(value)
        return None if number is not None and _INT32[0] <= number <= _INT32[1] else text

    return problem


def _well_known(full_name: str) -> Problem:
    kinds: dict[str, tuple[Any, str]] = {
        Duration.DESCRIPTOR.full_name: (Duration, "must be a duration in seconds, such as 10s or 1.5s"),
        Timestamp.DESCRIPTOR.full_name: (
            Timestamp,
            "must be an RFC 3339 time, such as 2026-01-02T15:04:05Z",
        ),
    }
    if full_name not in kinds:
        raise TypeError(f"{full_name} has no known JSON form")
    message, text = kinds[full_name]

    def problem(value: object) -> str | None:
        if not isinstance(value, str):
            return text
        try:
            message().FromJsonString(value)
        except ValueError:
            return text
        return None

    return problem
