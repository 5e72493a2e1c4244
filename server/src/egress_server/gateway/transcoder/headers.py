"""Request headers that stand for fields every mutation has: If-Match, If-None-Match and Idempotency-Key."""

import re
from collections.abc import Iterator, Mapping

from egress_server.domain.validate.problems import Problems
from egress_server.gateway.transcoder.parameters import Parameter
from egress_server.gateway.transcoder.shapes import Shape

IF_MATCH = "if-match"
IF_NONE_MATCH = "if-none-match"
IDEMPOTENCY_KEY = "idempotency-key"

_ETAG = re.compile(r'(?:W/)?"([^"]*)"|([^",*\s]+)')
_QUOTED = re.compile(r'"([^"]*)"')


def header_parameters(headers: Mapping[str, str], shape: Shape, problems: Problems) -> Iterator[Parameter]:
    """The fields that the headers of one request set, of those that its message has.

    A header that stands for no field of the method is left alone, as HTTP asks: `If-Match` on a GET for example.
    """
    if (text := headers.get(IF_MATCH)) is not None and "etag" in shape.fields:
        if match := _ETAG.fullmatch(text.strip()):
            yield Parameter("etag", [match[1] or match[2] or ""], "If-Match header")
        else:
            problems.at("etag").add("the If-Match header must hold one etag")
    if (text := headers.get(IF_NONE_MATCH)) is not None and "create_only" in shape.fields:
        if text.strip() == "*":
            yield Parameter("create_only", ["true"], "If-None-Match header")
        else:
            problems.at("create_only").add("the If-None-Match header may only hold *")
    if (text := headers.get(IDEMPOTENCY_KEY)) is not None and "request_id" in shape.fields:
        match = _QUOTED.fullmatch(text.strip())
        yield Parameter("request_id", [match[1] if match else text], "Idempotency-Key header")
