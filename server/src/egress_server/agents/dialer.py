"""How a connection comes to the sidecar.

In a pod iptables catch it; the agent only connects. Beside a local Envoy the dialer plays iptables.
"""

import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from egress_server.agents.resolver import Endpoint, Place


@dataclass(frozen=True, slots=True)
class Dialled:
    """A connected, non-blocking socket, and whether the sidecar has caught it."""

    connection: socket.socket
    captured: bool


class Dialer(Protocol):
    """Makes the one connection of an attempt."""

    async def __call__(self, place: Place) -> Dialled:
        """Connects; raises OSError."""


class LocalDialer:
    """Dials through a local Envoy, which catches everything.

    `connect` takes the original destination and where that really is, tells both to Envoy and returns the socket.
    """

    def __init__(self, connect: Callable[[Endpoint, Endpoint], Awaitable[socket.socket]]) -> None:
        self._connect = connect

    async def __call__(self, place: Place) -> Dialled:
        """Connects to Envoy; raises OSError where that does not answer."""
        return Dialled(await self._connect(place.dialled, place.upstream), captured=True)
