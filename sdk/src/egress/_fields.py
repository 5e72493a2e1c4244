"""Request fields from what is convenient to write in Python. Every refusal here is a ValueError,
before any call.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol, TypedDict, TypeVar
from uuid import uuid4

from egress._durations import duration
from egress.v1.common_pb2 import ClusterSelector, Scope
from egress.v1.fault_pb2 import Fault
from egress.v1.service_entry_pb2 import Endpoint, HeaderMatch, ServicePort

_V = TypeVar("_V", bound=int)
_V_co = TypeVar("_V_co", bound=int, covariant=True)


class Mutation(TypedDict, total=False):
    """What every mutating method takes beside its own arguments.

    - `request_id`: idempotency id; made by the client where none is given, and kept over retries
    - `etag`: go ahead only if this is the resource's current etag, else EtagMismatch
    - `create_only`: go ahead only if the resource does not exist, else AlreadyExists
    - `validate_only`: change nothing; the reply holds findings and plan
    - `reason`: why, kept in the change
    - `suppress_findings`: codes of forceable findings to override
    - `timeout`: seconds for the call with all its retries; None means the client's
    """

    request_id: str
    etag: str
    create_only: bool
    validate_only: bool
    reason: str
    suppress_findings: Iterable[str]
    timeout: float | None


def mutation(options: Mutation) -> dict[str, Any]:
    """The request's share of the options: all but the timeout, and always a request_id."""
    fields = {key: value for key, value in options.items() if key != "timeout"}
    return fields | {"request_id": options.get("request_id") or uuid4().hex}


class Enum(Protocol[_V_co]):
    """A generated enum."""

    def Value(self, name: str) -> _V_co: ...

    def keys(self) -> list[str]: ...


def enum(kind: Enum[_V], value: "_V | str") -> _V:
    """The number of an enum's value, from its name in any case, with `-` for `_` where that
    reads better.
    """
    if not isinstance(value, str):
        return value
    name = value.upper().replace("-", "_")
    if name not in kind.keys():  # noqa: SIM118 - a generated enum is no mapping
        known = ", ".join(known for known in kind.keys() if "UNSPECIFIED" not in known)  # noqa: SIM118
        raise ValueError(f"{value!r} is none of {known}")
    return kind.Value(name)


def scope(namespace: str, match_labels: Mapping[str, str] | None) -> Scope | None:
    """Where a policy holds, None for the whole mesh."""
    chosen = Scope(namespace=namespace, match_labels=match_labels)
    return chosen if chosen.ByteSize() else None


def selector(clusters: Iterable[str], labels: Mapping[str, str] | None) -> ClusterSelector | None:
    """The clusters meant, None for all."""
    chosen = ClusterSelector(clusters=clusters, match_labels=labels)
    return chosen if chosen.ByteSize() else None


def port(text: ServicePort | str) -> ServicePort:
    """A port from `NUMBER:PROTOCOL[:NAME[:TARGET_PORT]]`, such as `80:HTTP` or
    `443:TLS:web:8443`.
    """
    if isinstance(text, ServicePort):
        return text
    number, _, rest = text.partition(":")
    protocol, _, rest = rest.partition(":")
    name, _, target = rest.partition(":")
    if not (protocol and number.isdecimal() and (target or "0").isdecimal()):
        raise ValueError(f"port {text!r} is not NUMBER:PROTOCOL[:NAME[:TARGET_PORT]], as in 80:HTTP")
    return ServicePort(
        number=int(number),
        protocol=enum(ServicePort.Protocol, protocol),
        name=name,
        target_port=int(target or 0),
    )


def endpoint(address: Endpoint | str) -> Endpoint:
    """An endpoint from its address."""
    return address if isinstance(address, Endpoint) else Endpoint(address=address)


def header_matches(headers: Mapping[str, str] | Iterable[HeaderMatch]) -> Iterable[HeaderMatch]:
    """What headers must be; a mapping compares whole values."""
    if isinstance(headers, Mapping):
        return [HeaderMatch(name=name, exact=value) for name, value in headers.items()]
    return headers


def fault_delay(length: float | str | Fault.Delay | None, percent: float | None) -> Fault.Delay | None:
    """A delay from its length; `percent` is that of a message too, where the message has none."""
    if length is None:
        return None
    delay = Fault.Delay(percent=percent)
    delay.MergeFrom(length if isinstance(length, Fault.Delay) else Fault.Delay(fixed_delay=duration(length)))
    return delay


def fault_abort(error: int | str | Fault.Abort | None, percent: float | None) -> Fault.Abort | None:
    """An abort from an HTTP status, or a gRPC status by name in any case; `percent` as for a delay."""
    if error is None:
        return None
    abort = Fault.Abort(percent=percent)
    if isinstance(error, Fault.Abort):
        abort.MergeFrom(error)
    elif isinstance(error, str) and not error.isdecimal():
        abort.grpc_status = error.upper().replace("-", "_")
    else:
        abort.http_status = int(error)
    return abort
