"""One HTTP/1.1 request, and the head of its response. The body is never read."""

from collections.abc import Mapping
from dataclasses import dataclass

import h11

from egress_server.agents.agent.byte_stream import ByteStream

# A response with a longer head is rejected, and at most this many of its headers are kept (the contract's limit).
_MAX_HEAD = 32 * 1024
_MAX_HEADERS = 64

# They frame the message or name its destination, which only the agent may do.
_RESERVED = frozenset(
    {
        *("connection", "content-length", "expect", "host", "keep-alive", "proxy-connection"),
        *("te", "trailer", "transfer-encoding", "upgrade"),
    }
)


@dataclass(frozen=True, slots=True)
class Head:
    """Status, version such as HTTP/1.1, and headers of a response in order, as received."""

    status: int
    version: str
    headers: tuple[tuple[str, str], ...]


class ExchangeFailed(Exception):
    """The connection ended too soon, or what arrived is not a response; the message says which."""


def request(method: str, target: str, authority: str, headers: Mapping[str, str], agent: str) -> h11.Request:
    """The request to send.

    Raises ValueError if it can't be sent: a reserved header, or characters that are not allowed in a request.
    """
    for name in headers:
        if name.lower() in _RESERVED:
            raise ValueError(f"header {name!r} can't be set")
    names = {name.lower() for name in headers}
    own = {"host": authority, "user-agent": agent, "accept": "*/*"}
    fields = [
        *((name, value) for name, value in own.items() if name not in names),
        *headers.items(),
        ("connection", "close"),
    ]
    try:
        return h11.Request(method=method, target=target, headers=fields)
    except (h11.LocalProtocolError, UnicodeEncodeError) as error:
        raise ValueError(f"the request can't be sent: {error}") from error


async def exchange(stream: ByteStream, message: h11.Request) -> Head:
    """Sends a request and returns the final response's head.

    Raises ExchangeFailed, or OSError if the connection breaks.
    """
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MAX_HEAD)
    await stream.send((connection.send(message) or b"") + (connection.send(h11.EndOfMessage()) or b""))
    try:
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                if not (data := await stream.receive()):
                    raise ExchangeFailed("connection closed before a response")
                connection.receive_data(data)
            elif isinstance(event, h11.Response):
                return _head(event)
    except h11.RemoteProtocolError as error:
        raise ExchangeFailed(f"not an HTTP/1.1 response: {error}") from error


def _head(response: h11.Response) -> Head:
    headers = tuple(
        (name.decode("latin-1"), value.decode("latin-1")) for name, value in response.headers.raw_items()[:_MAX_HEADERS]
    )
    return Head(response.status_code, f"HTTP/{response.http_version.decode()}", headers)
