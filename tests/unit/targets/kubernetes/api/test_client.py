"""How responses of an API server become errors that say what to do next."""

import pytest
from kubernetes.aio.client import Configuration

from egress_server.domain.model.errors import PermanentError, TransientError
from egress_server.targets.kubernetes.api.client import ApiClient
from egress_server.targets.kubernetes.api.connection import ApiConnection
from egress_server.targets.kubernetes.api.errors import ApiError, as_target_errors
from egress_server.targets.kubernetes.api.kinds import SERVICE_ENTRY
from tests.support.doubles.api_server import an_entry, serving


@pytest.mark.parametrize(
    ("status", "headers", "pause"),
    [(429, {"Retry_After": "7"}, 7.0), (503, {"Retry_After": "2"}, 2.0), (503, {}, None)],
)
async def test_a_busy_server_sets_the_pause(status: int, headers: dict[str, str], pause: float | None) -> None:
    """The error carries the server's Retry-After."""
    async with serving() as (server, client):
        server.respond_with(status, **headers)
        with pytest.raises(TransientError) as raised:
            await client.list(SERVICE_ENTRY)
    assert (raised.value.reason, raised.value.retry_after) == ("API_SERVER_BUSY", pause)


async def test_a_proxys_error_page() -> None:
    """Of a page that is not a Status, the error has the beginning."""
    async with serving() as (server, client):
        server.respond_with(502, "<html>bad gateway</html>")
        with pytest.raises(TransientError, match="bad gateway"):
            await client.list(SERVICE_ENTRY)


async def test_rejected_credentials_are_permanent() -> None:
    """A retry would not help."""
    async with serving() as (server, client):
        server.respond_with(401)
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
async def test_an_error_keeps_the_servers_reason_and_message(status: int, error: type[Exception], reason: str) -> None:
    """Code, reason and message are the server's own, and the message is kept in the error of the target port."""
    async with serving() as (server, client):
        server.respond_with(status, {"kind": "Status", "reason": "Because", "message": "of this", "code": status})
        with pytest.raises(ApiError) as rejected:
            await client.create(SERVICE_ENTRY, an_entry("a", 1))
        with pytest.raises(error, match="of this") as raised, as_target_errors():
            raise rejected.value
    assert (rejected.value.code, rejected.value.reason) == (status, "Because")
    assert raised.value.reason == reason  # type: ignore[attr-defined]


async def test_a_server_that_is_down_is_unreachable() -> None:
    """The cluster is then shown as OFFLINE."""
    client = ApiClient(ApiConnection(Configuration(host="http://127.0.0.1:1")))
    with pytest.raises(TransientError) as raised:
        await client.list(SERVICE_ENTRY)
    await client.close()
    assert raised.value.reason == "UNREACHABLE"
    assert "http://127.0.0.1:1" in raised.value.message


async def test_long_lists_are_paged() -> None:
    """All pages are read."""
    async with serving() as (server, client):
        server.page = 2
        server.lists[SERVICE_ENTRY.path()] = [an_entry(str(number), number) for number in range(5)]
        found = await client.list(SERVICE_ENTRY)
        assert [item["metadata"]["name"] for item in found.items] == list("01234")
        assert len(server.requests) == 3
        assert found.version == "100"


async def test_a_delete_is_for_exactly_that_object() -> None:
    """It is not an error if the object is already gone, but it is if it has changed."""
    async with serving() as (server, client):
        server.respond_with(404)
        await client.delete(SERVICE_ENTRY, "default", "a", uid="u")
        server.respond_with(409)
        with pytest.raises(ApiError):
            await client.delete(SERVICE_ENTRY, "default", "a", uid="u", version="1")
