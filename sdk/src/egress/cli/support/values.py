"""Text of the command line as values, and values as text. Text that is not valid is a usage error."""

from collections.abc import Iterable, Mapping

import typer
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from egress._api.fields import seconds
from egress.v1.common_pb2 import ClusterSelector, Scope


def duration(text: str | float) -> float:
    """Seconds, from `10s`, `500ms`, `2m` or `1m30s`."""
    try:
        return seconds(text)  # a number is the option's default, which typer passes through the parser too
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def words(texts: Iterable[str]) -> list[str]:
    """The items of comma-separated lists."""
    found = [word.strip() for text in texts for word in text.split(",")]
    if not all(found):
        raise typer.BadParameter("the list has an empty item; omit the option for an empty list")
    return found


def numbers(texts: Iterable[str], option: str) -> list[int]:
    """The numbers of comma-separated lists, given with `option`."""
    found = words(texts)
    for word in found:
        if not word.isdecimal():
            raise typer.BadParameter(f"{option} {word!r} is not a number")
    return [int(word) for word in found]


def pairs(texts: Iterable[str], option: str) -> dict[str, str]:
    """A map from texts like `app=web`, given with `option`."""
    read = [(text, *text.partition("=")) for text in texts]
    for text, key, equals, _ in read:
        if not (key and equals):
            raise typer.BadParameter(f"{option} {text!r} is not key=value")
    return {key: value for _, key, _, value in read}


def short(name: str) -> str:
    """The last part of a resource name."""
    return name.rpartition("/")[2]


def joined(labels: Mapping[str, str]) -> str:
    """Labels as `app=web,env=prod`."""
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items()))


def moment(time: Timestamp) -> str:
    """A time in UTC, to the second; empty if it is not set."""
    return time.ToDatetime().strftime("%Y-%m-%d %H:%M:%SZ") if time.seconds else ""


def length(span: Duration) -> str:
    """A duration as `1.5s`."""
    return f"{span.ToTimedelta().total_seconds():g}s"


def milliseconds(length: Duration) -> str:
    """A duration as `12.3 ms`."""
    return f"{length.ToTimedelta().total_seconds() * 1000:.1f} ms"


def scope(scope: Scope) -> str:
    """The namespace and the workloads that a policy applies to."""
    return " ".join(part for part in (scope.namespace, joined(scope.match_labels)) if part) or "mesh"


def clusters(selector: ClusterSelector) -> str:
    """The clusters that a resource applies to."""
    return ",".join(selector.clusters) or joined(selector.match_labels) or "all"
