"""How a connection comes to the sidecar.

In a pod iptables catch it, or leave it alone; the agent only connects (`pod_dialer.py`). Beside a local Envoy the
dialer plays iptables.
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
    """A non-blocking socket, and whether the sidecar has caught it. It is connected, unless `yet_to` says where to:
    connecting past the sidecar takes time and may fail, and that is evidence, not the sidecar's trouble. `took` is how
    long connecting took so far, in seconds, where the dialer did something else as well."""

    connection: socket.socket
    captured: bool
    yet_to: Endpoint | None = None
    took: float | None = None


class NoRoute(OSError):
    """From here there is no way to an address, through the sidecar or past it."""


class Dialer(Protocol):
    """Makes the one connection of an attempt."""

    async def __call__(self, place: DialTarget) -> Dialled:
        """Connects; raises OSError where the sidecar does not answer, NoRoute."""


def _everything() -> None:
    """No interception was set, so all is caught."""


class LocalDialer:
    """Dials through a local Envoy, or past it where interception leaves the destination out.

    `connect` takes the original destination and where that really is, tells both to Envoy and returns the socket.
    `interception` gives, at each connection, the spec of the Interception that holds for the workload, if any. In a pod
    a new one takes effect when the pod is created; here at once.
    """

    def __init__(
        self,
        connect: Callable[[Endpoint, Endpoint], Awaitable[socket.socket]],
        interception: Callable[[], Mapping[str, Any] | None] = _everything,
    ) -> None:
        self._connect = connect
        self._interception = interception

    async def __call__(self, place: DialTarget) -> Dialled:
        """Connects to Envoy; raises OSError where that does not answer. Past it nothing is sent yet."""
        if is_captured(parse_rules(self._interception()), *place.dialled):
            return Dialled(await self._connect(place.dialled, place.upstream), captured=True)
        family = socket.AF_INET6 if ip_address(place.upstream[0]).version == 6 else socket.AF_INET
        direct = socket.socket(family, socket.SOCK_STREAM)
        direct.setblocking(False)
        return Dialled(direct, captured=False, yet_to=place.upstream)
