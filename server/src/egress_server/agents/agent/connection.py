"""The connection of an attempt: dial, TLS, request, head of the response; each stage timed, each failure described.

The descriptions are stable, since the verdict and users' scripts read them.
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
from egress_server.agents.agent.http_head import ExchangeFailed, Head, exchange
from egress_server.agents.agent.resolver import DialTarget
from egress_server.aio.waiting import scoped
from egress_server.domain.model.addresses import host_port
from egress_server.domain.probe.evidence import TIMED_OUT, Destination, Evidence, Timings

# How often to check whether a silent connection has got through.
_POLL_SECONDS = 0.05

_STAGES = {
    "resolve": "while resolving the name",
    "connect": "while connecting to the sidecar",
    "tls": "in the TLS handshake",
    "response": "while waiting for the response",
}


@dataclass(slots=True)
class Progress:
    """How far an attempt has come: the stages that are done, in seconds, and the current one.

    `deadline` is by the event loop's clock.
    """

    deadline: float
    started: float = field(default_factory=time.monotonic)
    stage: str = "resolve"
    description: str = _STAGES["resolve"]
    done: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Times a stage, which may come in several pieces; one that fails is not done."""
        self.stage, self.description = stage, _STAGES[stage]
        began = time.monotonic()
        yield
        self.done[stage] = self.done.get(stage, 0.0) + time.monotonic() - began

    def timings(self) -> Timings:
        """The stages so far."""
        return Timings(**self.done, total=time.monotonic() - self.started)

    def describe(self, error: Exception) -> str:
        """Describes a failure of the current stage."""
        match error:
            case TimeoutError():
                return f"{TIMED_OUT} {self.description}"
            case ssl.SSLEOFError() | ssl.SSLZeroReturnError():  # which of them depends on the Python version
                return f"connection closed {self.description}"
            case ssl.SSLError():
                return f"{error.reason or error} {self.description}"
            case ConnectionRefusedError():
                return f"connection refused {self.description}"
            case ConnectionError():
                return f"connection reset {self.description}"
            case OSError():
                return f"{error.strerror or error} {self.description}"
        return str(error)


@dataclass(frozen=True, slots=True)
class ProbeTask:
    """What to do on a connection: send `message` if there is one, else find out whether it gets through.
    `has_connected` returns whether the sidecar has connected it to its destination by now."""

    destination: Destination
    message: h11.Request | None
    has_connected: Callable[[], Awaitable[bool]]


async def connect(dialer: Dialer, target: DialTarget, task: ProbeTask, progress: Progress) -> Evidence:
    """Makes the connection, sends the request if there is one, and returns what came back.

    Raises OSError if not even the sidecar responds; any other failure is evidence.
    """
    evidence = Evidence(captured=False, address=host_port(*target.upstream))
    async with asyncio.timeout_at(progress.deadline):
        with progress.timed("connect"):
            dialled = await dialer(target)
    if dialled.connect_seconds is not None:
        progress.done["connect"] = dialled.connect_seconds
    evidence = replace(evidence, captured=dialled.captured)
    with closing(dialled.connection):
        try:
            async with asyncio.timeout_at(progress.deadline):
                head = await _talk(dialled, task, progress)
            if head is not None:
                evidence = replace(evidence, status=head.status, http_version=head.version, headers=head.headers)
        except (OSError, ExchangeFailed, ValueError) as error:
            text = progress.describe(error)
            in_tls = progress.stage == "tls"
            evidence = replace(evidence, tls_error=text if in_tls else "", error="" if in_tls else text)
    return replace(evidence, timings=progress.timings())


async def _talk(dialled: Dialled, task: ProbeTask, progress: Progress) -> Head | None:
    if dialled.connect_to:
        with progress.timed("connect"):
            progress.description = "while connecting to the destination"
            await asyncio.get_running_loop().sock_connect(dialled.connection, dialled.connect_to)
    stream: ByteStream = SocketStream(dialled.connection)
    if task.destination.speaks_tls:
        with progress.timed("tls"):
            # A final dot is DNS's, not part of a server name (RFC 6066, section 3).
            secured = TlsStream(stream, task.destination.host.rstrip("."))
            await secured.handshake()
        stream = secured
    if task.message is not None:
        with progress.timed("response"):
            return await exchange(stream, task.message)
    if dialled.captured and not task.destination.speaks_tls:
        progress.description = "while the sidecar connects to the destination"
        await _wait_until_connected(stream, task.has_connected)
    return None


async def _wait_until_connected(stream: ByteStream, has_connected: Callable[[], Awaitable[bool]]) -> None:
    """Waits until the other end sends something, or the sidecar has connected to it. What it sends is not kept.

    The sidecar accepts every connection immediately, so an open connection proves nothing. Raises ExchangeFailed if the
    sidecar closes it.
    """
    async with scoped(stream.receive()) as (first_bytes,):
        while not (await asyncio.wait((first_bytes,), timeout=_POLL_SECONDS))[0]:
            if await has_connected():
                return
        if not await first_bytes:
            raise ExchangeFailed("connection closed before anything came")
