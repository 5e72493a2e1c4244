"""Connections as a pod's, on sockets of loopback: a listener stands where iptables would send them."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator

import pytest

from egress_server.agents.agent.dialer import Dialled, NoRoute
from egress_server.agents.agent.pod_dialer import PodDialer, SourcePorts, own_ports
from egress_server.agents.agent.resolver import DialTarget

FAMILIES = ["127.0.0.1", "::1"]


@contextlib.asynccontextmanager
async def listening(address: str) -> AsyncIterator[int]:
    """A port that accepts connections and keeps them open."""
    kept: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _, writer: kept.append(writer), address, 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
        for writer in kept:
            writer.close()


@contextlib.contextmanager
def nobody(address: str) -> Iterator[int]:
    """A port that refuses connections."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as deaf:
        deaf.bind((address, 0))
        yield deaf.getsockname()[1]


async def dial(address: str, port: int, capture_port: int, ports: SourcePorts | None = None) -> Dialled:
    """One connection."""
    place = DialTarget((address, port), (address, port))
    return await PodDialer(ports or own_ports(), capture_port)(place)


@pytest.mark.parametrize("address", FAMILIES)
async def test_caught(address: str) -> None:
    """A connection that arrives at the capture port is caught, and made."""
    async with listening(address) as port:
        dialled = await dial(address, port, port)
        with contextlib.closing(dialled.connection) as connection:
            assert (dialled.captured, dialled.connect_to) == (True, None)
            await asyncio.get_running_loop().sock_sendall(connection, b"hello")


@pytest.mark.parametrize("address", FAMILIES)
async def test_left_alone(address: str) -> None:
    """One that arrives elsewhere is not, and is made as well."""
    async with listening(address) as sidecar, listening(address) as elsewhere:
        dialled = await dial(address, elsewhere, sidecar)
        with contextlib.closing(dialled.connection) as connection:
            assert (dialled.captured, dialled.connect_to) == (False, None)
            assert connection.getpeername()[1] == elsewhere


@pytest.mark.parametrize("address", FAMILIES)
async def test_refused_elsewhere(address: str) -> None:
    """One that its destination refuses was not caught, as long as the sidecar listens; why it failed is there to find
    out."""
    async with listening(address) as sidecar:
        with nobody(address) as elsewhere:
            dialled = await dial(address, elsewhere, sidecar)
            with contextlib.closing(dialled.connection) as connection:
                assert (dialled.captured, dialled.connect_to) == (False, (address, elsewhere))
                with pytest.raises(ConnectionRefusedError):
                    await asyncio.get_running_loop().sock_connect(connection, (address, elsewhere))


@pytest.mark.parametrize("address", FAMILIES)
async def test_sidecar_that_is_gone(address: str) -> None:
    """A connection that fails because nothing listens at the redirect port proves nothing about its destination."""
    with nobody(address) as port, pytest.raises(ConnectionRefusedError, match=f"nothing listens on port {port}"):
        await dial(address, port, port)


async def test_sidecar_for_one_family() -> None:
    """A sidecar that listens for IPv4 alone is none for IPv6."""
    async with listening("127.0.0.1") as sidecar:
        with nobody("::1") as elsewhere, pytest.raises(ConnectionRefusedError, match="nothing listens"):
            await dial("::1", elsewhere, sidecar)


async def test_closed_at_once() -> None:
    """One that the sidecar takes and closes at once was caught all the same."""
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        dialled = await dial("127.0.0.1", port, port)
        with contextlib.closing(dialled.connection) as connection:
            assert dialled.captured
            assert await asyncio.get_running_loop().sock_recv(connection, 1) == b""


async def test_destination_that_does_not_answer() -> None:
    """One that is neither made nor refused goes elsewhere; it is still under way."""
    with contextlib.ExitStack() as stack:
        deaf = stack.enter_context(socket.socket())
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        for _ in range(4):  # they fill its queue; the kernel answers no further connection
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(deaf.getsockname())
        port = deaf.getsockname()[1]
        async with listening("127.0.0.1") as sidecar:
            dialled = await dial("127.0.0.1", port, sidecar)
        with contextlib.closing(dialled.connection):
            assert (dialled.captured, dialled.connect_to) == (False, ("127.0.0.1", port))


async def test_no_route() -> None:
    """An address that can't be connected to at all is said to be one."""
    with pytest.raises(NoRoute, match=r"no route to 255\.255\.255\.255 from here"):
        await dial("255.255.255.255", 80, 15001)


async def test_ports_that_applications_do_not_get() -> None:
    """Each connection comes from the next port of its own; a port that is in use is skipped."""
    async with listening("127.0.0.1") as port:
        with nobody("127.0.0.1") as taken, nobody("127.0.0.1") as free:
            pass
        with socket.socket() as other:
            other.bind(("127.0.0.1", taken))
            ports = SourcePorts((taken, free))
            dialled = await dial("127.0.0.1", port, port, ports)
            with contextlib.closing(dialled.connection) as connection:
                assert connection.getsockname()[1] == free


async def test_no_port_left() -> None:
    """Without a port range of its own it uses any port."""
    async with listening("127.0.0.1") as port:
        with nobody("127.0.0.1") as taken:
            for ports in ((), (taken,)):
                dialled = await dial("127.0.0.1", port, port, SourcePorts(ports))
                assert dialled.captured
                dialled.connection.close()
