"""What an API server answers, as errors that say what to do next."""

import pytest
from kubernetes.aio.client import Configuration

from egress_server.domain.model.errors import PermanentError, TransientError
from egress_server.targets.kubernetes.api.client import ApiClient
from egress_server.targets.kubernetes.api.connection import ApiConnection
from egress_server.targets.kubernetes.api.errors import ApiError, outside
from egress_server.targets.kubernetes.api.kinds import SERVICE_ENTRY
from tests.unit.targets.kubernetes.informer.api_server import an_entry, serving


@pytest.mark.parametrize(
    ("status", "headers", "pause"),
    [(429, {"Retry_After": "7"}, 7.0), (503, {"Retry_After": "2"}, 2.0), (503, {}, None)],
)
async def test_a_busy_server_is_left_alone_as_long_as_it_asks(
    status: int, headers: dict[str, str], pause: float | None
) -> None:
    """The pause goes along with the error."""
    async with serving() as (server, client):
        server.dictate(status, **headers)
        with pytest.raises(TransientError) as raised:
            await client.list(SERVICE_ENTRY)
    assert (raised.value.reason, raised.value.retry_after) == ("API_SERVER_BUSY", pause)


async def test_what_stands_before_the_server_may_speak_html() -> None:
    """A proxy's page is told by its beginning."""
    async with serving() as (server, client):
        server.dictate(502, "<html>bad gateway</html>")
        with pytest.raises(TransientError, match="bad gateway"):
            await client.list(SERVICE_ENTRY)


async def test_unknown_credentials_are_told() -> None:
    """Trying again is useless."""
    async with serving() as (server, client):
        server.dictate(401)
        with pytest.raises(PermanentError) as raised:
            await client.list(SERVICE_ENTRY)
    assert raised.value.reason == "PERMISSIONS_MISSING"


@pytest.mark.parametrize(
    ("status", "error", "reason"),
    [
        (403, PermanentError, "PERMISSIONS_MISSING"),
        (409, TransientError, "CONFLICT"),
        (422, PermanentError, "REFUSED"),
        (500, PermanentError, "REFUSED"),
    ],
)
async def test_a_refusal_keeps_the_servers_words(status: int, error: type[Exception], reason: str) -> None:
    """For whoever can deal with it, and for people where nobody does."""
    async with serving() as (server, client):
        server.dictate(status, {"kind": "Status", "reason": "Because", "message": "of this", "code": status})
        with pytest.raises(ApiError) as refused:
            await client.create(SERVICE_ENTRY, an_entry("a", 1))
        with pytest.raises(error, match="of this") as raised, outside():
            raise refused.value
    assert (refused.value.code, refused.value.reason) == (status, "Because")
    assert raised.value.reason == reason  # type: ignore[attr-defined]


async def test_a_server_that_is_not_there_is_unreachable() -> None:
    """By that reason, so that the cluster is shown OFFLINE."""
    client = ApiClient(ApiConnection(Configuration(host="http://127.0.0.1:1")))
    with pytest.raises(TransientError) as raised:
        await client.list(SERVICE_ENTRY)
    await client.close()
    assert raised.value.reason == "UNREACHABLE"
    assert "http://127.0.0.1:1" in raised.value.message


async def test_long_lists_come_in_pages() -> None:
    """Until there is no more."""
    async with serving() as (server, client):
        server.page = 2
        server.lists[SERVICE_ENTRY.path()] = [an_entry(str(number), number) for number in range(5)]
        found = await client.list(SERVICE_ENTRY)
        assert [item["metadata"]["name"] for item in found.items] == list("01234")
        assert len(server.asked) == 3
        assert found.version == "100"


async def test_a_delete_means_that_very_object() -> None:
    """And that it is gone already is fine."""
    async with serving() as (server, client):
        server.dictate(404)
        await client.delete(SERVICE_ENTRY, "default", "a", uid="u")
        server.dictate(409)
        with pytest.raises(ApiError):
            await client.delete(SERVICE_ENTRY, "default", "a", uid="u", version="1")
