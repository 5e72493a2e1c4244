"""The connection of an attempt: dial, TLS, request, head of the response; each part timed, each failure put in words.

The words are stable, since the verdict and people's scripts read them.
"""

import asyncio
import ssl
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace

import h11

from egress_server.agents.dialer import Dialer
from egress_server.agents.http_head import BadExchange, Head, exchange
from egress_server.agents.resolver import Place
from egress_server.agents.streams import SocketStream, Stream, TlsStream
from egress_server.domain.addresses import host_port
from egress_server.domain.probe import TIMED_OUT, Destination, Evidence, Timings

_STAGES = {
    "resolve": "while resolving the name",
    "connect": "while connecting to the sidecar",
    "tls": "in the TLS handshake",
    "response": "while waiting for the response",
}


@dataclass(slots=True)
class Progress:
    """How far an attempt has come: the parts that are done, in seconds, and the one that is going on.

    `deadline` is by the event loop's clock.
    """

    deadline: float
    started: float = field(default_factory=time.monotonic)
    stage: str = "resolve"
    done: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def part(self, stage: str) -> Iterator[None]:
        """Times a part; one that fails is not done."""
        self.stage = stage
        began = time.monotonic()
        yield
        self.done[stage] = time.monotonic() - began

    def timings(self) -> Timings:
        """The parts so far."""
        return Timings(**self.done, total=time.monotonic() - self.started)

    def what_failed(self, error: Exception) -> str:
        """The failure of the part that is going on, in words."""
        where = _STAGES[self.stage]
        match error:
            case TimeoutError():
                return f"{TIMED_OUT} {where}"
            case ssl.SSLEOFError():
                return f"connection closed {where}"
            case ssl.SSLError():
                return f"{error.reason or error} {where}"
            case ConnectionError():
                return f"connection reset {where}"
            case OSError():
                return f"{error.strerror or error} {where}"
        return str(error)


async def connect(
    dialer: Dialer, place: Place, destination: Destination, message: h11.Request, progress: Progress
) -> Evidence:
    """Makes the connection, sends the request, and tells what came.

    Raises OSError where not even the sidecar answers; whatever else fails is told.
    """
    evidence = Evidence(captured=False, address=host_port(*place.upstream))
    async with asyncio.timeout_at(progress.deadline):
        with progress.part("connect"):
            dialled = await dialer(place)
    evidence = replace(evidence, captured=dialled.captured)
    with closing(dialled.connection) as connection:
        try:
            async with asyncio.timeout_at(progress.deadline):
                head = await _talk(SocketStream(connection), destination, message, progress)
            evidence = replace(evidence, status=head.status, http_version=head.version, headers=head.headers)
        except (OSError, BadExchange, ValueError) as error:
            text = progress.what_failed(error)
            in_tls = progress.stage == "tls"
            evidence = replace(evidence, tls_error=text if in_tls else "", error="" if in_tls else text)
    return replace(evidence, timings=progress.timings())


async def _talk(stream: Stream, destination: Destination, message: h11.Request, progress: Progress) -> Head:
    if destination.scheme == "https":
        with progress.part("tls"):
            # A final dot is DNS's, not part of a server name (RFC 6066, section 3).
            secured = TlsStream(stream, destination.host.rstrip("."))
            await secured.handshake()
        stream = secured
    with progress.part("response"):
        return await exchange(stream, message)
