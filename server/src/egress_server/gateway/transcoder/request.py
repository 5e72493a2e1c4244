"""Makes a request message from an HTTP request, by the rules of google/api/http.proto with two additions.

- Path variables, query parameters, headers and the body are merged into one message. If two of them set the same field,
  the values must be equal. Query parameters are also accepted in addition to a body.
- A body sent to a method without one is rejected: a DELETE that ignored `validateOnly` in its body would delete.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn
from urllib.parse import parse_qs

from google.protobuf.message import Message

from egress_server.gateway.transcoder.parameters import Parameter
from egress_server.gateway.transcoder.problems import SHOWN, ProblemCollector, TranscodingError, malformed
from egress_server.gateway.transcoder.shapes import Shape, fill
from egress_server.gateway.transcoder.template import Capture

JSON = "application/json"
HeaderParameters = Callable[[Mapping[str, str], Shape, ProblemCollector], Iterable[Parameter]]
"""The fields that the headers of a request set, of those that a shape has. Header names are in lower case."""


@dataclass(frozen=True, slots=True)
class TextBody:
    """Bodies of these content types are text for the field `field`, in methods that have it. The first content type is
    the one shown."""

    field: str
    content_types: tuple[str, ...]


class RequestReader:
    """Makes the request messages of one binding.

    `body` is that of the rule: `*`, the name of a field, or empty for none.
    """

    def __init__(
        self,
        request_type: type[Message],
        shape: Shape,
        body: str,
        *,
        text_body: TextBody,
        header_parameters: HeaderParameters,
    ) -> None:
        self._request_type = request_type
        self._shape = shape
        self._body = body
        self._header_parameters = header_parameters
        self._text_field = text_body.field
        self._text_types = text_body.content_types if text_body.field in shape.fields else ()

    def read(
        self,
        captures: Sequence[Capture],
        query: bytes,
        headers: Mapping[str, str],
        body: bytes,
        problems: ProblemCollector,
    ) -> Message:
        """The request message. Adds problems with fields; raises TranscodingError if the request cannot be read."""
        message = self._request_type()
        self._read_body(message, headers.get("content-type"), body, problems)
        for parameter in _path_parameters(captures, problems):
            parameter.set_on(message, self._shape, problems)
        for parameter in _query_parameters(query):
            parameter.set_on(message, self._shape, problems)
        for parameter in self._header_parameters(headers, self._shape, problems):
            parameter.set_on(message, self._shape, problems)
        return message

    def _read_body(self, message: Message, content_type: str | None, body: bytes, problems: ProblemCollector) -> None:
        if body and not self._body:
            raise TranscodingError(
                "this method does not accept a body; set fields in the path, the query or headers",
                "UNEXPECTED_BODY",
            )
        if self._is_text(content_type, body):
            self._read_text(message, body, problems)
        elif body:
            value = parse_json(body)
            self._read_json(message, value if self._body == "*" else {self._body: value}, problems)

    def _is_text(self, content_type: str | None, body: bytes) -> bool:
        """Whether the body is text and not JSON. Strict, because a form or plain text is what a foreign web page can
        send without asking."""
        if not body and (content_type is None or not self._body):
            return False
        kind, _, parameters = (content_type or "").partition(";")
        kind = kind.strip().lower()
        charset = parameters.lower().replace(" ", "").replace('"', "")
        if (kind != JSON and kind not in self._text_types) or ("charset=" in charset and "utf-8" not in charset):
            accepted = [JSON, *self._text_types[:1]]
            raise TranscodingError(
                f"content type must be {' or '.join(accepted)}, in UTF-8",
                "UNSUPPORTED_MEDIA_TYPE",
                {"accepted": ", ".join(accepted)},
            )
        return kind != JSON

    def _read_json(self, message: Message, value: object, problems: ProblemCollector) -> None:
        if not isinstance(value, dict):
            raise malformed("JSON body must be an object")
        self._shape.check(value, problems)
        if not problems.any:
            fill(message, value)

    def _read_text(self, message: Message, body: bytes, problems: ProblemCollector) -> None:
        try:
            setattr(message, self._text_field, body.decode())
        except UnicodeDecodeError as error:
            problems.at(self._text_field).add(f"is not valid UTF-8 at byte {error.start}")


def _path_parameters(captures: Sequence[Capture], problems: ProblemCollector) -> Iterator[Parameter]:
    for capture in captures:
        try:
            yield Parameter(capture.field, [capture.decode()], "path")
        except UnicodeDecodeError:
            problems.at(capture.field).add("is not valid percent-encoded UTF-8 in the path")


def _query_parameters(query: bytes) -> Iterator[Parameter]:
    """Raises TranscodingError if names or values are not UTF-8."""
    if not query:
        return
    try:
        pairs = parse_qs(query.decode("ascii"), keep_blank_values=True, errors="strict")
    except UnicodeDecodeError:
        raise malformed("query is not valid percent-encoded UTF-8") from None
    for name, texts in pairs.items():
        yield Parameter(name, texts, "query")


MAX_VALUES = 50_000
"""Commas and colons in a body. The parser does not let others work meanwhile, so it gets no more than it can read in a
few milliseconds; no valid request has as many values."""
MAX_DEPTH = 100
"""Levels of nesting that an error names. No message has as many, so whatever the parser accepts, its shape rejects."""


class _Rejected(ValueError):
    """Raised by the parser's hooks, with a text for the caller."""


def parse_json(body: bytes) -> object:
    """The JSON value in `body`; an empty body is an empty object.

    Raises TranscodingError MALFORMED_REQUEST if the body is not UTF-8, malformed, contains NaN or Infinity, repeats a
    name in an object, is nested too deeply, has too many values, or a number with thousands of digits.
    """
    if not body:
        return {}
    if body.count(b",") + body.count(b":") > MAX_VALUES:
        raise _malformed(f"has more than {MAX_VALUES} commas and colons", max_values=str(MAX_VALUES))
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
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise _Rejected(f'has the name "{name[:SHOWN]}" twice in one object')
            seen.add(name)
    return made


def _constant(word: str) -> NoReturn:
    raise _Rejected(f"contains {word}, which is not valid JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant)
