"""The connection of an attempt: dial, TLS, request, head of the response; each part timed, each failure put in words.

The words are stable, since the verdict and people's scripts read them.
"""

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace

import h11

from egress_server.agents.agent.byte_stream import ByteStream, SocketStream, TlsStream
from egress_server.agents.agent.dialer import Dialer, Dialled
from egress_server.agents.agent.http_head import BadExchange, Head, exchange
from egress_server.agents.agent.resolver import DialTarget
from egress_server.aio.waiting import scoped
from egress_server.domain.model.addresses import host_port
from egress_server.domain.probe.evidence import TIMED_OUT, Destination, Evidence, Timings

# How often to look whether a connection that says nothing has gone through.
_LOOK_SECONDS = 0.05

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
    where: str = _STAGES["resolve"]
    done: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def part(self, stage: str) -> Iterator[None]:
        """Times a part, which may come in pieces; one that fails is not done."""
        self.stage, self.where = stage, _STAGES[stage]
        began = time.monotonic()
        yield
        self.done[stage] = self.done.get(stage, 0.0) + time.monotonic() - began

    def timings(self) -> Timings:
        """The parts so far."""
        return Timings(**self.done, total=time.monotonic() - self.started)

    def what_failed(self, error: Exception) -> str:
        """The failure of the part that is going on, in words."""
        match error:
            case TimeoutError():
                return f"{TIMED_OUT} {self.where}"
            case ssl.SSLEOFError() | ssl.SSLZeroReturnError():  # which of them depends on the Python
                return f"connection closed {self.where}"
            case ssl.SSLError():
                return f"{error.reason or error} {self.where}"
            case ConnectionRefusedError():
                return f"connection refused {self.where}"
            case ConnectionError():
                return f"connection reset {self.where}"
            case OSError():
                return f"{error.strerror or error} {self.where}"
        return str(error)


@dataclass(frozen=True, slots=True)
class ProbeTask:
    """What to do on a connection: send `message` where there is one, else find out whether it gets through. `has_left`
    tells whether the sidecar has connected it to its destination by now."""

    destination: Destination
    message: h11.Request | None
    has_left: Callable[[], Awaitable[bool]]


async def connect(dialer: Dialer, place: DialTarget, errand: ProbeTask, progress: Progress) -> Evidence:
    """Makes the connection, sends the request if there is one, and tells what came.

    Raises OSError where not even the sidecar answers; whatever else fails is told.
    """
    evidence = Evidence(captured=False, address=host_port(*place.upstream))
    async with asyncio.timeout_at(progress.deadline):
        with progress.part("connect"):
            dialled = await dialer(place)
    if dialled.took is not None:
        progress.done["connect"] = dialled.took
    evidence = replace(evidence, captured=dialled.captured)
    with closing(dialled.connection):
        try:
            async with asyncio.timeout_at(progress.deadline):
                head = await _talk(dialled, errand, progress)
            if head is not None:
                evidence = replace(evidence, status=head.status, http_version=head.version, headers=head.headers)
        except (OSError, BadExchange, ValueError) as error:
            text = progress.what_failed(error)
            in_tls = progress.stage == "tls"
            evidence = replace(evidence, tls_error=text if in_tls else "", error="" if in_tls else text)
    return replace(evidence, timings=progress.timings())


async def _talk(dialled: Dialled, errand: ProbeTask, progress: Progress) -> Head | None:
    if dialled.yet_to:
        with progress.part("connect"):
            progress.where = "while connecting to the destination"
            await asyncio.get_running_loop().sock_connect(dialled.connection, dialled.yet_to)
    stream: ByteStream = SocketStream(dialled.connection)
    if errand.destination.speaks_tls:
        with progress.part("tls"):
            # A final dot is DNS's, not part of a server name (RFC 6066, section 3).
            secured = TlsStream(stream, errand.destination.host.rstrip("."))
            await secured.handshake()
        stream = secured
    if errand.message is not None:
        with progress.part("response"):
            return await exchange(stream, errand.message)
    if dialled.captured and not errand.destination.speaks_tls:
        progress.where = "while the sidecar connects to the destination"
        await _gets_through(stream, errand.has_left)
    return None


async def _gets_through(stream: ByteStream, has_left: Callable[[], Awaitable[bool]]) -> None:
    """Waits until the other end speaks, or the sidecar is through to it. What it says is not kept.

    The sidecar takes every connection at once, so that it is open says nothing. Raises BadExchange where it closes it.
    """
    async with scoped(stream.receive()) as (word,):
        while not (await asyncio.wait((word,), timeout=_LOOK_SECONDS))[0]:
            if await has_left():
                return
        if not await word:
            raise BadExchange("connection closed before anything came")
