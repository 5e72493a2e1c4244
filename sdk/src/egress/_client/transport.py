"""How the server is reached: the target, and how gRPC handles a connection that breaks.

Retries are gRPC's own. Only UNAVAILABLE is retried: the server was not reached, or the connection broke before the
reply. Every mutating request has a request_id, so a repeated request has no further effect.
"""

import itertools
import json
import os
from collections.abc import Sequence
from importlib.metadata import version
from typing import Generic, TypeVar

__all__ = ["__version__"]

__version__ = version("egress-sdk")

DEFAULT_TARGET = "127.0.0.1:9090"
TARGET_VARIABLE = "EGRESS_SERVER"

Channel = TypeVar("Channel")

_SERVICE_CONFIG = {
    "methodConfig": [
        {
            "name": [{}],
            "retryPolicy": {
                # About eight seconds in total, enough for a restart of the server. gRPC allows five attempts.
                "maxAttempts": 5,
                "initialBackoff": "0.2s",
                "backoffMultiplier": 3,
                "maxBackoff": "6s",
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ]
}

OPTIONS: tuple[tuple[str, str | int], ...] = (
    ("grpc.service_config", json.dumps(_SERVICE_CONFIG)),
    # gRPC waits up to two minutes before it reconnects; a restarted server must be found immediately.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # A page of 1000 entries with all their hosts goes far beyond gRPC's 4 MiB.
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
    # Connect to the target directly: gRPC would use a proxy of the environment even for loopback.
    ("grpc.enable_http_proxy", 0),
    ("grpc.primary_user_agent", f"egress-python/{__version__}"),
)


def target_or_default(target: str | None) -> str:
    """The target as given, or from EGRESS_SERVER, or the server on this machine."""
    return target or os.environ.get(TARGET_VARIABLE) or DEFAULT_TARGET


def options(channels: int) -> list[tuple[tuple[str, str | int], ...]]:
    """The options of each channel. Raises ValueError if `channels` is less than one."""
    if channels < 1:
        raise ValueError(f"channels must be at least 1, not {channels}")
    # Channels of a process to the same target share a connection, unless each has its own subchannel pool.
    return [(*OPTIONS, ("grpc.use_local_subchannel_pool", 1))] * channels if channels > 1 else [OPTIONS]


class RoundRobin(Generic[Channel]):
    """Channels used in turn. Threads may share it."""

    def __init__(self, channels: Sequence[Channel]) -> None:
        self.all = channels
        self._cycle = itertools.cycle(channels)

    def next(self) -> Channel:
        """The next channel."""
        return next(self._cycle)
