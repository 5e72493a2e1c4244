"""The gateway behind a real HTTP server: behavior that only shows on a connection."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import uvicorn
from google.protobuf.message import Message

from egress_server.pipeline.method import Method, RpcCall
from tests.unit.gateway.fakes import FakePipeline, app_over, info_of

POLICIES = "/v1/meshes/default/outboundPolicies"
JSON = {"content-type": "application/json"}


@asynccontextmanager
async def serving(pipeline: FakePipeline, **changes: Any) -> AsyncIterator[int]:
    """Serves the gateway on a free port of loopback; returns the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app_over(pipeline, **changes), http="httptools", log_level="error"))
        running = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            await running


async def test_client_that_leaves_cancels_its_call() -> None:
    """When the client closes the connection, its call is cancelled; the server keeps running."""
    begun, cancelled = asyncio.Event(), asyncio.Event()

    async def hanging(method: Method, request: Any, call: RpcCall) -> Message:
        begun.set()
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            cancelled.set()
            raise
        raise AssertionError("unreachable")

    pipeline = FakePipeline()
    pipeline.answer = hanging
    async with serving(pipeline) as port, asyncio.timeout(10):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET {POLICIES} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
        await begun.wait()
        writer.close()
        await cancelled.wait()
        async with httpx.AsyncClient() as client:
            assert (await client.get(f"http://127.0.0.1:{port}/healthz")).status_code == 200


async def test_client_that_leaves_amid_its_body() -> None:
    """A body that ends early never becomes a call."""
    pipeline = FakePipeline()
    async with serving(pipeline) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        head = f"POST {POLICIES}:set HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        writer.write(f"{head}content-length: 100\r\n\r\n{{".encode())
        await writer.drain()
        writer.close()
        async with httpx.AsyncClient() as client:
            assert (await client.get(f"http://127.0.0.1:{port}/healthz")).status_code == 200
    assert pipeline.calls == []


@pytest.mark.parametrize("announced", [True, False])
async def test_huge_body(announced: bool) -> None:
    """Ten megabytes are refused with the limit, by Content-Length or while they stream in."""

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(160):
            yield b" " * 65536

    pipeline = FakePipeline()
    content = b" " * 10_485_760 if announced else chunks()
    async with serving(pipeline) as port, httpx.AsyncClient() as client:
        response = await client.post(f"http://127.0.0.1:{port}{POLICIES}:set", content=content, headers=JSON)
    assert response.status_code == 413
    assert info_of(response)["reason"] == "REQUEST_TOO_LARGE"
    assert pipeline.calls == []


async def test_body_that_never_comes() -> None:
    """A body that stalls ends with DEADLINE_EXCEEDED at the call's deadline."""
    async with serving(FakePipeline(), timeout_seconds=0.2) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = f"POST {POLICIES}:set HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        writer.write(f"{head}content-length: 100\r\n\r\n{{".encode())
        async with asyncio.timeout(10):
            answer = await reader.readuntil(b"}")
        writer.close()
    assert answer.startswith(b"HTTP/1.1 504")
    assert b'"DEADLINE_EXCEEDED"' in answer


async def test_encoded_slash_stays_encoded() -> None:
    """The path reaches the method as it was sent, including an encoded slash in an ID."""
    pipeline = FakePipeline()
    async with serving(pipeline) as port, httpx.AsyncClient() as client:
        response = await client.get(f"http://127.0.0.1:{port}{POLICIES}/a%2Fb")
    assert response.status_code == 400
    assert pipeline.requests[0].name == "meshes/default/outboundPolicies/a%2Fb"


async def test_host_is_checked_on_the_wire() -> None:
    """A request with a foreign Host header is refused over a socket as well."""
    async with serving(FakePipeline()) as port, httpx.AsyncClient() as client:
        response = await client.get(f"http://127.0.0.1:{port}{POLICIES}", headers={"host": "evil.example"})
    assert response.status_code == 403
