"""The product as delivered: egressd as a process with its own Redis and real Envoys, and both transports to it."""

import asyncio
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from egress_server.demo.environment import ExternalSite
from tests.integration.app.transports import GrpcTransport, RestTransport
from tests.support.egressd import Egressd, running


@pytest.fixture(scope="session")
def outside() -> Iterator[list[str]]:
    """The local replacements of the document's host, as `--resolve` takes them."""
    with tempfile.TemporaryDirectory(prefix="outside-") as folder:
        loop = asyncio.new_event_loop()
        threading.Thread(target=loop.run_forever, daemon=True).start()
        stand_ins = ExternalSite(Path(folder))
        asyncio.run_coroutine_threadsafe(stand_ins.__aenter__(), loop).result()
        yield stand_ins.resolve
        asyncio.run_coroutine_threadsafe(stand_ins.__aexit__(), loop).result()
        loop.call_soon_threadsafe(loop.stop)


@pytest.fixture(scope="module")
def egressd(outside: list[str]) -> Iterator[Egressd]:
    """One egressd for the tests of a module, with the local cluster `one`."""
    with (
        tempfile.TemporaryDirectory(prefix="egressd-") as folder,
        running(Path(folder), clusters=["one"], resolve=outside) as started,
    ):
        yield started


@pytest.fixture(scope="module")
def by_grpc(egressd: Egressd) -> Iterator[GrpcTransport]:
    """Its gRPC transport."""
    transport = GrpcTransport(egressd.grpc)
    yield transport
    transport.channel.close()


@pytest.fixture(scope="module")
def by_rest(egressd: Egressd) -> Iterator[RestTransport]:
    """Its REST transport."""
    transport = RestTransport(egressd.url)
    yield transport
    transport.http.close()
