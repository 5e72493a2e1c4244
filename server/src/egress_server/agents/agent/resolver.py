"""From a URL's host to the places to connect to.

What `--resolve` gave at start says where a destination really is. What an application dials is the address that the
caller named, else that one, else what DNS says. Only the answer is checked for forbidden addresses: a name, or an odd
spelling (`2130706433`, `0x7f.1`), says nothing of where it leads.
"""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from egress_server.domain.model.addresses import address_problem
from egress_server.domain.probe.evidence import Destination

Endpoint = tuple[str, int]
"""An IP address and a port."""

Lookup = Callable[[str, int], Awaitable[Sequence[str]]]
"""Name and port to IP addresses in order of preference; raises OSError."""


@dataclass(frozen=True, slots=True)
class DialTarget:
    """`dialled` is what an application would dial, `upstream` where that really is; they differ only by `--resolve`."""

    dialled: Endpoint
    upstream: Endpoint


async def system_lookup(host: str, port: int) -> Sequence[str]:
    """Asks the system's resolver, each time in a thread of its own: one that hangs holds up nothing, not even exit."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Sequence[str]] = loop.create_future()

    def settle(addresses: Sequence[str], error: OSError | None) -> None:
        if answer.done():
            return
        if error:
            answer.set_exception(error)
        else:
            answer.set_result(addresses)

    def ask() -> None:
        addresses: Sequence[str] = ()
        failure: OSError | None = None
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            addresses = [str(item[4][0]) for item in found]
        except OSError as error:
            failure = error
        except ValueError as error:  # no name at all: an empty label, a zero byte
            failure = OSError(f"not a host name: {error}")
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, addresses, failure)

    threading.Thread(target=ask, name=f"lookup {host[:64]}", daemon=True).start()
    return await answer


class Resolver:
    """Knows the names given at start, and asks for the rest."""

    def __init__(
        self,
        pinned: Mapping[tuple[str, int], Endpoint],
        lookup: Lookup = system_lookup,
        api_server: Collection[str] = (),
    ) -> None:
        """`pinned` maps host and port to the address and port that `--resolve` gave; `api_server` are the addresses of
        the cluster's API server."""
        self._pinned = {(host, port): (_canonical(to), port2) for (host, port), (to, port2) in pinned.items()}
        self._exempt = frozenset(self._pinned.values())
        self._lookup = lookup
        self._api_server = frozenset(map(_canonical, api_server))

    async def __call__(self, destination: Destination, given: str) -> Sequence[DialTarget]:
        """The places of a destination, `given` being the address the caller named, if any.

        Raises OSError where the name has none, ValueError where `given` is no IP address.
        """
        host, port = destination.host.rstrip("."), destination.port
        if upstream := self._pinned.get((host, port)):
            return [DialTarget((_canonical(given or upstream[0]), port), upstream)]
        addresses = [given] if given else await self._lookup(host, port)
        found = dict.fromkeys((_canonical(address), port) for address in addresses)
        if not found:
            raise OSError(f"{host} has no address")
        return [DialTarget(endpoint, endpoint) for endpoint in found]

    def why_forbidden(self, endpoint: Endpoint) -> str | None:
        """Why nobody may be sent there, for people; None where it is fine. The one exception to the rule is what
        `--resolve` gave, the exact address and port."""
        address, port = endpoint
        if (address, port) in self._exempt:
            return None
        if address in self._api_server:
            return why_not_api_server(address)
        try:
            return address_problem(address)
        except ValueError:
            return f"{address} is no IP address"


def why_not_api_server(address: str) -> str:
    """Why nobody may be sent to an address of the API server, for people."""
    return f"{address} is an address of the cluster's API server"


def _canonical(text: str) -> str:
    """An address as the sidecar writes it: no zone, and IPv4 where IPv6 only wraps it."""
    address = ip_address(text.partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(address)
