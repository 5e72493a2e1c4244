"""Words of the command line as values. What can't be read is a usage error."""

from collections.abc import Iterable, Mapping

import typer
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from egress._api.fields import seconds


def duration(text: str | float) -> float:
    """Seconds, from `10s`, `500ms`, `2m` or `1m30s`."""
    try:
        return seconds(text)  # a number is the option's default, which typer sends through the parser as well
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def words(texts: Iterable[str]) -> list[str]:
    """Words from lists with commas, one or many."""
    found = [word.strip() for text in texts for word in text.split(",")]
    if not all(found):
        raise typer.BadParameter("a list has an empty place; leave the option out for none")
    return found


def numbers(texts: Iterable[str], option: str) -> list[int]:
    """Numbers from lists with commas; `option` is where they came from."""
    found = words(texts)
    for word in found:
        if not word.isdecimal():
            raise typer.BadParameter(f"{option} {word!r} is no number")
    return [int(word) for word in found]


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


def length(span: Duration) -> str:
    """A duration as `1.5s`."""
    return f"{span.ToTimedelta().total_seconds():g}s"


def milliseconds(length: Duration) -> str:
    """A duration as `12.3 ms`."""
    return f"{length.ToTimedelta().total_seconds() * 1000:.1f} ms"
