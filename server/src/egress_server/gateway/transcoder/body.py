"""Reads a request's body within its limit, and parses it more strictly than the standard library does."""

import json
from collections.abc import Mapping
from typing import NoReturn

from starlette.types import Receive

from egress_server.domain.model.errors import InvalidArgument
from egress_server.gateway.transcoder.shapes import SHOWN
from egress_server.pipeline.pipeline import MAX_REQUEST_BYTES


class ClientGone(Exception):
    """The client closed the connection; nobody is left to answer."""


async def read_body(headers: Mapping[str, str], receive: Receive) -> bytes:
    """The whole body. Raises InvalidArgument (REQUEST_TOO_LARGE) over 1 MiB, and ClientGone."""
    announced = headers.get("content-length", "")
    if announced.isascii() and announced.isdecimal() and int(announced[:20]) > MAX_REQUEST_BYTES:
        raise _too_large()
    message = await receive()
    body: bytes = message.get("body", b"")
    parts = [body]
    size = len(body)
    while message["type"] == "http.request" and message.get("more_body", False) and size <= MAX_REQUEST_BYTES:
        message = await receive()
        parts.append(message.get("body", b""))
        size += len(parts[-1])
    if message["type"] == "http.disconnect":
        raise ClientGone
    if size > MAX_REQUEST_BYTES:
        raise _too_large()
    return b"".join(parts)


def _too_large() -> InvalidArgument:
    return InvalidArgument(
        f"the request has more than {MAX_REQUEST_BYTES} bytes",
        reason="REQUEST_TOO_LARGE",
        metadata={"limit_bytes": str(MAX_REQUEST_BYTES)},
    )


MAX_DEPTH = 100
"""Levels of nesting. No message of the contract comes near; the schema's check refuses what the parser lets by."""


class _Refused(ValueError):
    """What the parser's hooks raise; its text is the caller's."""


def parse_json(body: bytes) -> object:
    """The JSON value in `body`; an empty body is an empty object.

    Raises InvalidArgument with reason MALFORMED_REQUEST: not UTF-8, malformed, NaN or Infinity, a name twice in one
    object, too deep, a number of thousands of digits.
    """
    if not body:
        return {}
    try:
        return _DECODER.decode(body.decode())
    except UnicodeDecodeError as error:
        raise _invalid(f"is not UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise _invalid(f"is malformed at line {error.lineno}, column {error.colno}: {error.msg}") from None
    except RecursionError:
        limit = str(MAX_DEPTH)
        raise _invalid(f"is nested more than {limit} levels deep", max_depth=limit) from None
    except _Refused as error:
        raise _invalid(str(error)) from None
    except ValueError:
        raise _invalid("holds a number of too many digits") from None


def _invalid(problem: str, **metadata: str) -> InvalidArgument:
    return InvalidArgument(f"the JSON body {problem}", reason="MALFORMED_REQUEST", metadata=metadata)


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in made if names.count(name) > 1)
        raise _Refused(f'has the name "{twice[:SHOWN]}" twice in one object')
    return made


def _constant(word: str) -> NoReturn:
    raise _Refused(f"holds {word}, which JSON does not know")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant)
