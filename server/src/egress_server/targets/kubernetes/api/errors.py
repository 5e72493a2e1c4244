"""What the API server says instead of doing what it was asked, as errors of this room and of the applier."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import orjson

from egress_server.domain.model.errors import PermanentError, TransientError
from egress_server.ports.target import PERMISSIONS_MISSING

CONFLICT = "CONFLICT"
REFUSED = "REFUSED"


class ApiError(Exception):
    """The API server said no to one request: code, reason and message are its own."""

    def __init__(self, code: int, reason: str, message: str, asked: str) -> None:
        super().__init__(f"{asked}: {message}")
        self.code = code
        self.reason = reason
        self.message = message
        self.asked = asked

    @property
    def missing(self) -> bool:
        """There is no such object, or no such kind."""
        return self.code == 404

    @property
    def conflict(self) -> bool:
        """The object is another by now, is there already, or somebody else holds the field."""
        return self.code == 409

    @property
    def field_conflict(self) -> bool:
        """Somebody else holds a field that was to be applied."""
        return self.conflict and self.message.startswith("Apply failed with")

    @property
    def expired(self) -> bool:
        """The version asked for is older than what the server remembers."""
        return self.code == 410

    @property
    def forbidden(self) -> bool:
        """We may not."""
        return self.code == 403


@dataclass(frozen=True, slots=True)
class ApiResponse:
    """What came back of a request."""

    code: int
    headers: Mapping[str, str]
    body: bytes


def content_of(answer: ApiResponse, asked: str) -> dict[str, Any]:
    """The object in an answer. Raises Refusal, TransientError where asking again may help, PermanentError where the
    server does not know us."""
    if answer.code < 400:
        found: dict[str, Any] = orjson.loads(answer.body)
        return found
    reason, message = _words(answer)
    if answer.code == 401:
        raise PermanentError(PERMISSIONS_MISSING, "the API server rejects the credentials; they may have expired")
    if answer.code == 429 or answer.code > 500:  # 500 itself is what a failing webhook makes of one object
        raise TransientError("API_SERVER_BUSY", f"{asked}: {message}", _retry_after(answer))
    raise ApiError(answer.code, reason, message, asked)


def refusal_of(status: Mapping[str, Any], asked: str) -> ApiError:
    """What a Status says that came within an answer."""
    message = status.get("message") or "no reason given"
    return ApiError(status.get("code") or 0, status.get("reason") or "", message, asked)


@contextmanager
def outside() -> Iterator[None]:
    """Turns a Refusal that nobody dealt with into an applier's word."""
    try:
        yield
    except ApiError as refusal:
        if refusal.forbidden:
            raise PermanentError(PERMISSIONS_MISSING, str(refusal)) from refusal
        if refusal.conflict:
            raise TransientError(CONFLICT, str(refusal)) from refusal
        raise PermanentError(REFUSED, str(refusal)) from refusal


def _words(answer: ApiResponse) -> tuple[str, str]:
    """Reason and message of a Status; of anything else, its beginning."""
    try:
        status = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        status = None
    if not isinstance(status, dict) or status.get("kind") != "Status":
        text = answer.body[:200].decode(errors="replace").strip()
        return "", f"HTTP {answer.code} {text}".strip()
    return status.get("reason") or "", status.get("message") or f"HTTP {answer.code}"


def _retry_after(answer: ApiResponse) -> float | None:
    text = answer.headers.get("Retry-After", "")
    return float(text) if text.isdigit() else None
