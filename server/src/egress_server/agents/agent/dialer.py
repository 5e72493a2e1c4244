"""How a connection gets to the sidecar.

In a pod iptables redirect it, or leave it alone; the agent only connects (`pod_dialer.py`). With a local Envoy the
dialer replaces iptables.
"""

import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Protocol

from egress_server.agents.agent.resolver import DialTarget, Endpoint
from egress_server.domain.simulate.interception import is_captured, parse_rules


@dataclass(frozen=True, slots=True)
class Dialled:
    """A non-blocking socket, and whether the sidecar has captured it. It is connected unless `connect_to` is set:
    connecting around the sidecar takes time and may fail, which is evidence and not the sidecar's fault.
    `connect_seconds` is how long connecting took so far, if the dialer did something else as well."""

    connection: socket.socket
    captured: bool
    connect_to: Endpoint | None = None
    connect_seconds: float | None = None


class NoRoute(OSError):
    """There is no route from here to an address, through the sidecar or around it."""


class Dialer(Protocol):
    """Makes the one connection of an attempt."""

    async def __call__(self, target: DialTarget) -> Dialled:
        """Connects. Raises OSError if the sidecar does not respond, NoRoute."""


def _no_interception() -> None:
    """No interception is set, so everything is captured."""


class LocalDialer:
    """Dials through a local Envoy, or around it if interception excludes the destination.

    `connect` takes the original destination and where that really is, sends both to Envoy and returns the socket.
    `interception` returns, for each connection, the spec of the Interception that applies to the workload, if any. In a
    pod a new one takes effect when the pod is created; here immediately.
    """

    def __init__(
        self,
        connect: Callable[[Endpoint, Endpoint], Awaitable[socket.socket]],
        interception: Callable[[], Mapping[str, Any] | None] = _no_interception,
    ) -> None:
        self._connect = connect
        self._interception = interception

    async def __call__(self, target: DialTarget) -> Dialled:
        """Connects to Envoy; raises OSError if it does not respond. Around it nothing is sent yet."""
        if is_captured(parse_rules(self._interception()), *target.dialled):
            return Dialled(await self._connect(target.dialled, target.upstream), captured=True)
        family = socket.AF_INET6 if ip_address(target.upstream[0]).version == 6 else socket.AF_INET
        direct = socket.socket(family, socket.SOCK_STREAM)
        direct.setblocking(False)
        return Dialled(direct, captured=False, connect_to=target.upstream)
