"""A stream as server-sent events: IDs to resume from, keep-alive comments, errors before and after the first event."""

from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest
from google.protobuf.message import Message

from egress.v1 import change_pb2
from egress.v1 import change_service_pb2 as pb
from egress_server.domain.model.errors import OutOfRange, Unavailable
from tests.unit.gateway.fakes import FakePipeline, app_over, info_of
from tests.unit.gateway.test_openapi import DOCUMENT

PATH = "/v1/meshes/default/changes:watch"
CURSOR = "YToxOjE"


def events_of(*events: Message | Exception) -> AsyncGenerator[Message, None]:
    """A stream of events; an error ends it."""

    async def stream() -> AsyncGenerator[Message, None]:
        for event in events:
            if isinstance(event, Exception):
                raise event
            yield event

    return stream()


def change(revision: int) -> pb.WatchChangesResponse:
    """An event with a change."""
    return pb.WatchChangesResponse(cursor=f"c{revision}", change=change_pb2.Change(revision=revision))


async def test_events(client: httpx.AsyncClient, pipeline: FakePipeline) -> None:
    """An event has its cursor and its JSON; an empty one is a comment that moves the cursor."""
    pipeline.events = events_of(pb.WatchChangesResponse(cursor="c0"), change(1), change(2))
    response = await client.get(PATH, params={"includeRollouts": "true"})
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert response.headers["cache-control"] == "no-store"
    assert response.text == (
        ": keep-alive\nid: c0\n\n"
        'id: c1\ndata: {"cursor":"c1","change":{"revision":"1"}}\n\n'
        'id: c2\ndata: {"cursor":"c2","change":{"revision":"2"}}\n\n'
    )
    assert pipeline.requests[0].include_rollouts is True
    assert pipeline.calls[0].deadline is None


@pytest.mark.parametrize(
    ("params", "headers", "cursor"),
    [
        ({}, {}, ""),
        ({"cursor": CURSOR}, {}, CURSOR),
        ({}, {"last-event-id": CURSOR}, CURSOR),
        ({"cursor": "YToyOjI"}, {"last-event-id": CURSOR}, CURSOR),
    ],
)
async def test_where_to_resume(
    client: httpx.AsyncClient, pipeline: FakePipeline, params: Any, headers: Any, cursor: str
) -> None:
    """From the cursor in the query, or from the ID of the last event, which a browser sends with its original URL."""
    pipeline.events = events_of(change(1))
    await client.get(PATH, params=params, headers=headers)
    assert pipeline.requests[0].cursor == cursor


async def test_refused_before_the_first_event(client: httpx.AsyncClient, pipeline: FakePipeline) -> None:
    """An ordinary Status with its HTTP status, so that a browser does not reconnect forever."""
    pipeline.events = events_of(OutOfRange("too old", reason="CURSOR_EXPIRED"))
    response = await client.get(PATH)
    assert response.status_code == 400
    assert (response.json()["code"], info_of(response)["reason"]) == (11, "CURSOR_EXPIRED")
    response = await client.get(PATH, params={"cursor": "?"})
    assert response.status_code == 400


async def test_refused_later(client: httpx.AsyncClient, pipeline: FakePipeline) -> None:
    """After the first event an error is an event of its own, of type `error`, and the last one."""
    pipeline.events = events_of(change(1), Unavailable("away", reason="STORE_UNAVAILABLE"))
    response = await client.get(PATH)
    assert response.status_code == 200
    *_, last = response.text.strip().split("\n\n")
    assert last.startswith('event: error\ndata: {"code":14,"message":"away"')


async def test_browsers_of_other_origins_may_resume(pipeline: FakePipeline) -> None:
    """The header that resumes a stream is allowed for permitted origins."""
    transport = httpx.ASGITransport(app_over(pipeline, cors_origins=("https://portal.example",)))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8080") as client:
        asked = {"origin": "https://portal.example", "access-control-request-method": "GET"}
        response = await client.options(PATH, headers={**asked, "access-control-request-headers": "last-event-id"})
    assert "last-event-id" in response.headers["access-control-allow-headers"].lower()


def test_documented() -> None:
    """OpenAPI describes the response as a stream of events, and how to resume it."""
    operation = DOCUMENT["paths"]["/v1/meshes/{mesh}/changes:watch"]["get"]
    assert list(operation["responses"]["200"]["content"]) == ["text/event-stream"]
    assert {"cursor", "includeRollouts", "Last-Event-ID"} <= {each["name"] for each in operation["parameters"]}
