"""Parses a JSON body, more strictly than the standard library does."""

import json
from typing import NoReturn

from egress_server.gateway.transcoder.problems import TranscodingError, malformed

SHOWN = 64
"""Characters of a name chosen by the caller that an error repeats."""
MAX_DEPTH = 100
"""Levels of nesting that an error names. The parser's own limit is near, and no message needs as many."""


class _Rejected(ValueError):
    """Raised by the parser's hooks, with a text for the caller."""


def parse_json(body: bytes) -> object:
    """The JSON value in `body`; an empty body is an empty object.

    Raises TranscodingError MALFORMED_REQUEST if the body is not UTF-8, malformed, contains NaN or Infinity, repeats a
    name in an object, is nested too deeply, or has a number with thousands of digits.
    """
    if not body:
        return {}
    try:
        return _DECODER.decode(body.decode())
    except UnicodeDecodeError as error:
        raise _malformed(f"is not valid UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise _malformed(f"is malformed at line {error.lineno}, column {error.colno}: {error.msg}") from None
    except RecursionError:
        limit = str(MAX_DEPTH)
        raise _malformed(f"is nested more than {limit} levels deep", max_depth=limit) from None
    except _Rejected as error:
        raise _malformed(str(error)) from None
    except ValueError:
        raise _malformed("contains a number with too many digits") from None


def _malformed(problem: str, **metadata: str) -> TranscodingError:
    return malformed(f"JSON body {problem}", **metadata)


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in made if names.count(name) > 1)
        raise _Rejected(f'has the name "{repeated[:SHOWN]}" twice in one object')
    return made


def _constant(word: str) -> NoReturn:
    raise _Rejected(f"contains {word}, which is not valid JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant)
