"""Resolves a URL's host to the addresses to connect to.

`--resolve` says where a destination really is. An application dials the address that the caller requested, else that of
`--resolve`, else what DNS returns. Only the result is checked for forbidden addresses: a name, or an unusual spelling
(`2130706433`, `0x7f.1`), does not tell where it leads.
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
    """Asks the system's resolver in a thread of its own, so that one that hangs blocks nothing, not even exit."""
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
        except ValueError as error:  # not a name at all: an empty label, a zero byte
            failure = OSError(f"not a host name: {error}")
        with contextlib.suppress(RuntimeError):  # the loop is closed: nothing waits for it
            loop.call_soon_threadsafe(settle, addresses, failure)

    threading.Thread(target=ask, name=f"lookup {host[:64]}", daemon=True).start()
    return await answer


class Resolver:
    """Knows the names given by `--resolve`, and looks up the others."""

    def __init__(
        self,
        overrides: Mapping[tuple[str, int], Endpoint],
        lookup: Lookup = system_lookup,
        api_server: Collection[str] = (),
    ) -> None:
        """`overrides` maps host and port to the address and port of `--resolve`; `api_server` are the addresses of the
        cluster's API server."""
        self._overrides = {(host, port): (_canonical(to), port2) for (host, port), (to, port2) in overrides.items()}
        self._allowed = frozenset(self._overrides.values())
        self._lookup = lookup
        self._api_server = frozenset(map(_canonical, api_server))

    async def __call__(self, destination: Destination, requested: str) -> Sequence[DialTarget]:
        """The targets for a destination; `requested` is the address that the caller requested, if any.

        Raises OSError if the name has no address, ValueError if `requested` is not an IP address.
        """
        host, port = destination.host.rstrip("."), destination.port
        if upstream := self._overrides.get((host, port)):
            return [DialTarget((_canonical(requested or upstream[0]), port), upstream)]
        addresses = [requested] if requested else await self._lookup(host, port)
        found = dict.fromkeys((_canonical(address), port) for address in addresses)
        if not found:
            raise OSError(f"{host} has no address")
        return [DialTarget(endpoint, endpoint) for endpoint in found]

    def why_forbidden(self, endpoint: Endpoint) -> str | None:
        """Why connections to there are forbidden, human-readable; None if they are allowed. The one exception to the
        rules is the exact address and port given by `--resolve`."""
        address, port = endpoint
        if (address, port) in self._allowed:
            return None
        if address in self._api_server:
            return api_server_message(address)
        try:
            return address_problem(address)
        except ValueError:
            return f"{address} is not an IP address"


def api_server_message(address: str) -> str:
    """Why connections to the API server are forbidden, human-readable."""
    return f"{address} is an address of the cluster's API server"


def _canonical(text: str) -> str:
    """An address as the sidecar writes it: without a zone, and IPv4 if it is IPv4-mapped."""
    address = ip_address(text.partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(address)
