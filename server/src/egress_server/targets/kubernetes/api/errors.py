"""Error responses of the API server, as exceptions of this package and of the target port."""

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
    """The API server rejected one request; code, reason and message are its own."""

    def __init__(self, code: int, reason: str, message: str, request: str) -> None:
        super().__init__(f"{request}: {message}")
        self.code = code
        self.reason = reason
        self.message = message
        self.request = request

    @property
    def missing(self) -> bool:
        """The object, or its kind, does not exist."""
        return self.code == 404

    @property
    def conflict(self) -> bool:
        """The object has changed, exists already, or another manager owns the field."""
        return self.code == 409

    @property
    def field_conflict(self) -> bool:
        """Another manager owns a field that was to be applied."""
        return self.conflict and self.message.startswith("Apply failed with")

    @property
    def expired(self) -> bool:
        """The server no longer has the requested version."""
        return self.code == 410

    @property
    def forbidden(self) -> bool:
        """Our credentials do not permit the request."""
        return self.code == 403


@dataclass(frozen=True, slots=True)
class ApiResponse:
    """A response to one request."""

    code: int
    headers: Mapping[str, str]
    body: bytes


def parse_response(response: ApiResponse, request: str) -> dict[str, Any]:
    """The object in a response. Raises ApiError, TransientError if a retry may help, PermanentError if the server
    rejects our credentials."""
    if response.code < 400:
        found: dict[str, Any] = orjson.loads(response.body)
        return found
    reason, message = _reason_and_message(response)
    if response.code == 401:
        raise PermanentError(PERMISSIONS_MISSING, "the API server rejects the credentials; they may have expired")
    if response.code == 429 or response.code > 500:  # 500 is also what a failing webhook returns for one object
        raise TransientError("API_SERVER_BUSY", f"{request}: {message}", _retry_after(response))
    raise ApiError(response.code, reason, message, request)


def error_of_status(status: Mapping[str, Any], request: str) -> ApiError:
    """The error in a Status that arrived inside a response."""
    message = status.get("message") or "no reason given"
    return ApiError(status.get("code") or 0, status.get("reason") or "", message, request)


@contextmanager
def as_target_errors() -> Iterator[None]:
    """Turns an ApiError that was not handled into an error of the target port."""
    try:
        yield
    except ApiError as error:
        if error.forbidden:
            raise PermanentError(PERMISSIONS_MISSING, str(error)) from error
        if error.conflict:
            raise TransientError(CONFLICT, str(error)) from error
        raise PermanentError(REFUSED, str(error)) from error


def _reason_and_message(response: ApiResponse) -> tuple[str, str]:
    """Those of a Status; of any other body, its beginning."""
    try:
        status = orjson.loads(response.body)
    except orjson.JSONDecodeError:
        status = None
    if not isinstance(status, dict) or status.get("kind") != "Status":
        text = response.body[:200].decode(errors="replace").strip()
        return "", f"HTTP {response.code} {text}".strip()
    return status.get("reason") or "", status.get("message") or f"HTTP {response.code}"


def _retry_after(response: ApiResponse) -> float | None:
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isdigit() else None
