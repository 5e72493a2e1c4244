"""How the server is reached: the target, and what gRPC does about a connection that breaks.

Retries are gRPC's own. Only UNAVAILABLE is retried, which means that the server was not reached, or
the connection broke before its reply; every mutating request carries a request_id, so that doing it
twice is doing it once.
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
                # About eight seconds in all: a server that is restarted is back by then. gRPC allows five attempts.
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
    # gRPC waits for up to two minutes before it dials again; a restarted server is to be found at
    # once.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    # A page of 1000 entries with all their hosts goes far beyond gRPC's 4 MiB.
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
    # The target is dialled as it is given: gRPC would send even loopback through a proxy of the
    # environment.
    ("grpc.enable_http_proxy", 0),
    ("grpc.primary_user_agent", f"egress-python/{__version__}"),
)


def target_or_default(target: str | None) -> str:
    """The target to dial: as given, else from EGRESS_SERVER, else the server on this machine."""
    return target or os.environ.get(TARGET_VARIABLE) or DEFAULT_TARGET


def options(channels: int) -> list[tuple[tuple[str, str | int], ...]]:
    """The options of each of so many channels. Raises ValueError below one."""
    if channels < 1:
        raise ValueError(f"channels is {channels}; it takes at least one")
    # gRPC gives channels of one process to one target a single connection, unless they are told to keep their own.
    return [(*OPTIONS, ("grpc.use_local_subchannel_pool", 1))] * channels if channels > 1 else [OPTIONS]


class RoundRobin(Generic[Channel]):
    """Channels that take turns. Threads may share it."""

    def __init__(self, channels: Sequence[Channel]) -> None:
        self.all = channels
        self._cycle = itertools.cycle(channels)

    def next(self) -> Channel:
        """The channel whose turn it is."""
        return next(self._cycle)
