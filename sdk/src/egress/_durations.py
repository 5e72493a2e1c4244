"""Lengths of time as people write them: seconds, or words with units such as `5s`, `500ms` or `1m30s`."""

import re

from google.protobuf.duration_pb2 import Duration

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")


def seconds(length: float | str) -> float:
    """Seconds, from a number of them or from words with units. Raises ValueError where they can't be read."""
    if not isinstance(length, str):
        return length
    parts = _PART.findall(length)
    if not parts or "".join(number + unit for number, unit in parts) != length:
        raise ValueError(f"{length!r} is no duration; write it like 10s, 500ms or 2m")
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def duration(length: float | str | None) -> Duration | None:
    """A duration to the microsecond, None where there is none."""
    if length is None:
        return None
    message = Duration()
    message.FromMicroseconds(round(seconds(length) * 1e6))
    return message
