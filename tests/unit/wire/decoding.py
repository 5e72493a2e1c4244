"""Decoding a request like the pipeline, and its refusals."""

from typing import Any

from google.protobuf.message import Message

from egress_server.wire import METHODS
from tests.support.requests import requests
from tests.support.violations import violations_of


def path_of(name: str) -> str:
    """The path of an RPC by its last part."""
    return next(path for path in METHODS if path.endswith(f"/{name}"))


def request(name: str, /, **fields: Any) -> Message:
    """A valid request of an RPC, with `fields` instead of its own; None clears one."""
    message = requests()[path_of(name)]
    for field, value in fields.items():
        message.ClearField(field)
        if value is not None:
            message.MergeFrom(type(message)(**{field: value}))
    return message


def decode(message: Message) -> Any:
    """The command of a request."""
    return next(m for m in METHODS.values() if m.request_type is type(message)).decode(message)


def refused(message: Message) -> list[tuple[str, str]]:
    """Field and description of all problems of a request."""
    return violations_of(lambda: decode(message))
