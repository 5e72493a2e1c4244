"""One HTTP request to one request message, by the rules of google/api/http.proto and a few of ours.

- Path variables, query parameters, headers and the body all end in one message; two of them may name the same field
  only with the same value. Query parameters are taken beside a body, too: an Istio YAML body leaves no other place.
- A body sent to a method that has none is refused: a DELETE that ignores `validateOnly` in its body would delete.
"""

from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from urllib.parse import parse_qs

from google.protobuf.message import Message

from egress_server.domain.model.errors import InvalidArgument
from egress_server.domain.validate.problems import Problems
from egress_server.gateway.transcoder.body import parse_json
from egress_server.gateway.transcoder.headers import header_parameters
from egress_server.gateway.transcoder.parameters import Parameter
from egress_server.gateway.transcoder.shapes import Shape, fill
from egress_server.gateway.transcoder.template import Capture

YAML_FIELD = "istio_yaml"
"""The field that a YAML body goes to, as it is."""


class Media(Enum):
    """What a body may be; the values are the content types, the first one is the name we show."""

    JSON = ("application/json",)
    YAML = ("application/yaml", "text/yaml", "application/x-yaml")


_BY_TYPE = {content_type: media for media in Media for content_type in media.value}


class RequestReader:
    """Makes the request message of one binding. `body` is the rule's: `*`, a field's name, or empty for none."""

    def __init__(self, request_type: type[Message], shape: Shape, body: str) -> None:
        self._request_type = request_type
        self._shape = shape
        self._body = body
        self._media = {Media.JSON, Media.YAML} if YAML_FIELD in shape.fields else {Media.JSON}

    def read(self, captures: Sequence[Capture], query: bytes, headers: Mapping[str, str], body: bytes) -> Message:
        """The request message. Raises InvalidArgument with every mistake that was found."""
        message = self._request_type()
        problems = Problems()
        self._read_body(message, headers.get("content-type"), body, problems)
        for parameter in _path_parameters(captures, problems):
            parameter.set_on(message, self._shape, problems)
        for parameter in _query_parameters(query):
            parameter.set_on(message, self._shape, problems)
        for parameter in header_parameters(headers, self._shape, problems):
            parameter.set_on(message, self._shape, problems)
        problems.raise_if_any()
        return message

    def _read_body(self, message: Message, content_type: str | None, body: bytes, problems: Problems) -> None:
        if body and not self._body:
            raise InvalidArgument(
                "this method takes no body; give fields in the path, the query or headers",
                reason="UNEXPECTED_BODY",
            )
        media = self._media_of(content_type, body)
        if media is Media.YAML and self._body:
            self._read_yaml(message, body, problems)
        elif body:
            value = parse_json(body)
            self._read_json(message, value if self._body == "*" else {self._body: value}, problems)

    def _media_of(self, content_type: str | None, body: bytes) -> Media:
        """What the body is. Strict, because a form or plain text is what a foreign web page can send unasked."""
        if not body and (content_type is None or not self._body):
            return Media.JSON
        kind, _, parameters = (content_type or "").partition(";")
        media = _BY_TYPE.get(kind.strip().lower())
        charset = parameters.lower().replace(" ", "").replace('"', "")
        if media not in self._media or ("charset=" in charset and "utf-8" not in charset):
            wanted = sorted(media.value[0] for media in self._media)
            raise InvalidArgument(
                f"the content type must be {' or '.join(wanted)}, in UTF-8",
                reason="UNSUPPORTED_MEDIA_TYPE",
                metadata={"accepted": ", ".join(wanted)},
            )
        return media

    def _read_json(self, message: Message, value: object, problems: Problems) -> None:
        if not isinstance(value, dict):
            raise InvalidArgument("the JSON body must be an object", reason="MALFORMED_REQUEST")
        self._shape.check(value, problems)
        if not problems.any:
            fill(message, value)

    def _read_yaml(self, message: Message, body: bytes, problems: Problems) -> None:
        try:
            setattr(message, YAML_FIELD, body.decode())
        except UnicodeDecodeError as error:
            problems.at(YAML_FIELD).add(f"is not UTF-8 at byte {error.start}")


def _path_parameters(captures: Sequence[Capture], problems: Problems) -> Iterator[Parameter]:
    for capture in captures:
        try:
            yield Parameter(capture.field, [capture.decode()], "path")
        except UnicodeDecodeError:
            problems.at(capture.field).add("is not percent-encoded UTF-8 in the path")


def _query_parameters(query: bytes) -> Iterator[Parameter]:
    """Raises InvalidArgument where names or values are not UTF-8."""
    if not query:
        return
    try:
        pairs = parse_qs(query.decode("ascii"), keep_blank_values=True, errors="strict")
    except UnicodeDecodeError:
        raise InvalidArgument("the query is not percent-encoded UTF-8", reason="MALFORMED_REQUEST") from None
    for name, texts in pairs.items():
        yield Parameter(name, texts, "query")
