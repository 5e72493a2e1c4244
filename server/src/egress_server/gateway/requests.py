"""Reads HTTP requests: the body within its limit, Istio YAML in place of JSON, and headers that set mutation
options."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from google.protobuf.message import Message
from starlette.types import Receive, Scope

from egress_server.domain.model.errors import InvalidArgument
from egress_server.domain.model.limits import MAX_REQUEST_BYTES
from egress_server.domain.validate.problems import Problems
from egress_server.gateway.transcoder import problems as transcoder
from egress_server.gateway.transcoder.parameters import Parameter
from egress_server.gateway.transcoder.problems import TranscodingError
from egress_server.gateway.transcoder.request import RequestReader, TextBody
from egress_server.gateway.transcoder.shapes import Shape
from egress_server.gateway.transcoder.template import Capture

YAML_BODY = TextBody("istio_yaml", ("application/yaml", "text/yaml", "application/x-yaml"))
IF_MATCH = "If-Match"
IF_NONE_MATCH = "If-None-Match"
IDEMPOTENCY_KEY = "Idempotency-Key"
OPTION_HEADERS = {"etag": IF_MATCH, "create_only": IF_NONE_MATCH, "request_id": IDEMPOTENCY_KEY}
"""Header by the mutation option that it sets."""

_ETAG = re.compile(r'(?:W/)?"([^"]*)"|([^",*\s]+)')
_QUOTED = re.compile(r'"([^"]*)"')


class ClientGone(Exception):
    """The client closed the connection."""


class HttpRequests:
    """Reads the requests of one binding. `body` is that of its rule: `*`, the name of a field, or empty for none."""

    def __init__(self, request_type: type[Message], shape: Shape, body: str) -> None:
        self._reader = RequestReader(
            request_type, shape, body, text_body=YAML_BODY, header_parameters=header_parameters
        )

    def read(self, captures: tuple[Capture, ...], scope: Scope, headers: Mapping[str, str], body: bytes) -> Any:
        """The request message. Raises InvalidArgument with all problems."""
        problems = Problems()
        try:
            message = self._reader.read(captures, scope["query_string"], headers, body, problems)
        except TranscodingError as error:
            raise InvalidArgument(error.message, reason=error.reason, metadata=error.metadata) from error
        problems.raise_if_any()
        return message


def headers_of(scope: Scope) -> dict[str, str]:
    """The headers of a request, by lower-case name."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def peer_of(scope: Scope) -> str:
    """The client's address, HOST:PORT; `uid:` and its user id if it came by a unix socket."""
    client = scope.get("client")
    return f"{client[0]}:{client[1]}" if client else ""


def header_parameters(
    headers: Mapping[str, str], shape: Shape, problems: transcoder.ProblemCollector
) -> Iterator[Parameter]:
    """The options that the headers of a request set, of those that its message has.

    A header without a matching option is ignored, as HTTP requires: `If-Match` on a GET, for example.
    """
    if (text := headers.get(IF_MATCH.lower())) is not None and "etag" in shape.fields:
        if match := _ETAG.fullmatch(text.strip()):
            yield Parameter("etag", [match[1] or match[2] or ""], "If-Match header")
        else:
            problems.at("etag").add("If-Match header must have exactly one etag")
    if (text := headers.get(IF_NONE_MATCH.lower())) is not None and "create_only" in shape.fields:
        if text.strip() == "*":
            yield Parameter("create_only", ["true"], "If-None-Match header")
        else:
            problems.at("create_only").add("If-None-Match header must be *")
    if (text := headers.get(IDEMPOTENCY_KEY.lower())) is not None and "request_id" in shape.fields:
        match = _QUOTED.fullmatch(text.strip())
        yield Parameter("request_id", [match[1] if match else text], "Idempotency-Key header")


async def read_body(headers: Mapping[str, str], receive: Receive) -> bytes:
    """The whole body. Raises InvalidArgument REQUEST_TOO_LARGE above 1 MiB, and ClientGone."""
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
        f"request is larger than {MAX_REQUEST_BYTES} bytes",
        reason="REQUEST_TOO_LARGE",
        metadata={"limit_bytes": str(MAX_REQUEST_BYTES)},
    )
