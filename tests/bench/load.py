"""The client, a process of its own: concurrent callers, each sending its next request when the reply is there.

    python -m tests.bench.load ADDRESS ROUND    prints a Load as JSON

Bytes go out and come in as they are: the client neither serialises nor parses while the clock runs.
"""

import asyncio
import json
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import grpc
import uvloop

from tests.bench.work import UPSERT, requests_of

CALLERS = 64
CHANNELS = 4
WARM_UP_SECONDS = 0.7
MEASURED_SECONDS = 3.0
_CALL_TIMEOUT_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Load:
    """What the callers measured between warm-up and end. `calls_in_all` counts the other calls too."""

    calls_per_second: float
    p50_ms: float
    p99_ms: float
    worst_ms: float
    calls_in_all: int
    request_bytes: int
    reply_bytes: int


class _Callers:
    """Callers that share a clock; only calls that end within the measured time count."""

    def __init__(self) -> None:
        self.begin = time.perf_counter() + WARM_UP_SECONDS
        self.end = self.begin + MEASURED_SECONDS
        self.latencies: list[float] = []
        self.calls_in_all = 0
        self.request_bytes = 0
        self.reply_bytes = 0

    async def call(self, channel: grpc.aio.Channel, requests: Iterator[bytes]) -> None:
        """One caller. Any error ends the measurement: a figure that includes errors would mean nothing."""
        method: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(UPSERT)
        for request in requests:
            sent = time.perf_counter()
            reply = await method(request, timeout=_CALL_TIMEOUT_SECONDS)
            now = time.perf_counter()
            self.calls_in_all += 1
            if now >= self.end:
                self.request_bytes, self.reply_bytes = len(request), len(reply)
                return
            if now >= self.begin:
                self.latencies.append(now - sent)

    def load(self) -> Load:
        """The figures."""
        quantiles = statistics.quantiles(self.latencies, n=100)
        return Load(
            calls_per_second=len(self.latencies) / MEASURED_SECONDS,
            p50_ms=quantiles[49] * 1000,
            p99_ms=quantiles[98] * 1000,
            worst_ms=max(self.latencies) * 1000,
            calls_in_all=self.calls_in_all,
            request_bytes=self.request_bytes,
            reply_bytes=self.reply_bytes,
        )


def _channel(address: str) -> grpc.aio.Channel:
    """Its own connection: otherwise channels to one address would share one."""
    options = (("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0))
    return grpc.aio.insecure_channel(address, options=options)


async def _main(address: str, round_: int) -> Load:
    channels = [_channel(address) for _ in range(CHANNELS)]
    try:
        for channel in channels:
            await channel.channel_ready()
        work = [requests_of(caller, round_) for caller in range(CALLERS)]
        callers = _Callers()
        async with asyncio.TaskGroup() as group:
            for caller, requests in enumerate(work):
                group.create_task(callers.call(channels[caller % CHANNELS], requests))
        return callers.load()
    finally:
        for channel in channels:
            await channel.close()


if __name__ == "__main__":
    print(json.dumps(asdict(uvloop.run(_main(sys.argv[1], int(sys.argv[2]))))))
