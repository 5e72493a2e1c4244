"""Words of the command line as values. What can't be read is a usage error."""

import re
from collections.abc import Iterable, Mapping

import typer
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")


def duration(text: str | float) -> float:
    """Seconds, from `10s`, `500ms`, `2m` or `1m30s`."""
    if isinstance(text, float):  # the option's default, which typer sends through the parser as well
        return text
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise typer.BadParameter(f"{text!r} is no duration; write it like 10s, 500ms or 2m")
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def pairs(texts: Iterable[str], option: str) -> dict[str, str]:
    """A map, from words like `app=web`; `option` is where they came from."""
    read = [(text, *text.partition("=")) for text in texts]
    for text, key, equals, _ in read:
        if not (key and equals):
            raise typer.BadParameter(f"{option} {text!r} is not KEY=VALUE")
    return {key: value for _, key, _, value in read}


def short(name: str) -> str:
    """The last part of a resource name."""
    return name.rpartition("/")[2]


def joined(labels: Mapping[str, str]) -> str:
    """Labels as people write them."""
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items()))


def moment(time: Timestamp) -> str:
    """A time to the second in UTC; empty where there is none."""
    return time.ToDatetime().strftime("%Y-%m-%d %H:%M:%SZ") if time.seconds else ""


def milliseconds(length: Duration) -> str:
    """A duration as `12.3 ms`."""
    return f"{length.ToTimedelta().total_seconds() * 1000:.1f} ms"
