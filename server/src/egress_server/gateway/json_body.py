"""Bytes to JSON, stricter than the standard library by default: what two parsers may read differently is refused."""

import json
from typing import NoReturn

from egress_server.domain.errors import InvalidArgument
from egress_server.gateway.shapes import SHOWN

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
