"""Everything except the calls: health, metrics, docs, unknown paths, and who may call."""

import re

import httpx
import pytest
from fastapi import FastAPI

from egress_server.gateway.ops import Health
from tests.unit.gateway.fakes import FakePipeline, app_over, client_of, info_of

POLICIES = "/v1/meshes/default/outboundPolicies"


async def test_alive(client: httpx.AsyncClient) -> None:
    """A live process reports that it is alive."""
    response = await client.get("/healthz")
    assert (response.status_code, response.json()) == (200, {"alive": True})


async def test_ready(client: httpx.AsyncClient) -> None:
    """With nothing missing it is ready."""
    response = await client.get("/readyz")
    assert (response.status_code, response.json()) == (200, {"ready": True})


async def test_not_ready(pipeline: FakePipeline) -> None:
    """With something missing it is not ready, and names what and why."""

    async def readiness() -> Health:
        return Health({"store": "connection refused"}, {"store-upkeep": "failed once"})

    async with client_of(app_over(pipeline, readiness=readiness)) as client:
        response = await client.get("/readyz")
    assert response.status_code == 503
    assert response.json() == {
        "ready": False,
        "notReady": {"store": "connection refused"},
        "degraded": {"store-upkeep": "failed once"},
    }


async def test_degraded(pipeline: FakePipeline) -> None:
    """A process in which only a non-essential part is down is ready, and names it."""

    async def readiness() -> Health:
        return Health(degraded={"pod-survey": "failed once"})

    async with client_of(app_over(pipeline, readiness=readiness)) as client:
        response = await client.get("/readyz")
    assert response.status_code == 200
    assert response.json() == {"ready": True, "degraded": {"pod-survey": "failed once"}}


async def test_metrics(client: httpx.AsyncClient) -> None:
    """Metrics have Prometheus' format."""
    response = await client.get("/metrics")
    assert response.text == "egress_requests_total 1\n"
    assert response.headers["content-type"].startswith("text/plain; version=")


async def test_home(client: httpx.AsyncClient) -> None:
    """The root redirects to the docs."""
    response = await client.get("/")
    assert (response.status_code, response.headers["location"]) == (307, "/docs")


async def test_docs_load_nothing_from_elsewhere(client: httpx.AsyncClient) -> None:
    """All scripts and styles of the page are served here, none is inline, and the browser may not load others."""
    page = await client.get("/docs")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "//" not in page.text.replace("<!doctype", "")
    assert not re.search(r"<script(?![^>]*src=)", page.text)
    for link in re.findall(r'(?:src|href)="(/[^"]*)"', page.text):
        part = await client.get(link)
        assert part.status_code == 200, link
        assert part.headers["content-type"].startswith(("text/javascript", "text/css")), link
    assert '"/openapi.json"' in (await client.get("/docs/start.js")).text


async def test_swagger_ui_knows_openapi_31(client: httpx.AsyncClient) -> None:
    """The installed Swagger UI supports OpenAPI 3.1."""
    script = (await client.get("/docs/swagger-ui-bundle.js")).text
    assert re.search(r"openapi: ?3\.1", script)


@pytest.mark.parametrize(
    "path", ["/nope", "/v1/nope", "/v1/meshes/default/outboundPolicies/", "/v2/meshes", "//healthz"]
)
async def test_unknown_path(client: httpx.AsyncClient, path: str) -> None:
    """An unknown path is NOT_FOUND as a Status."""
    response = await client.get(f"http://localhost{path}")
    assert response.status_code == 404
    assert response.json()["code"] == 5
    assert info_of(response)["reason"] == "ROUTE_NOT_FOUND"


@pytest.mark.parametrize(
    ("verb", "path", "allowed"),
    [("PUT", POLICIES, "GET"), ("PATCH", f"{POLICIES}/x", "DELETE, GET"), ("POST", "/healthz", "GET, HEAD")],
)
async def test_wrong_verb(client: httpx.AsyncClient, verb: str, path: str, allowed: str) -> None:
    """A path with another verb is UNIMPLEMENTED as a Status, with the supported verbs."""
    response = await client.request(verb, path)
    assert response.status_code == 405
    assert sorted(response.headers["allow"].split(", ")) == allowed.split(", ")
    assert response.json()["code"] == 12
    assert info_of(response)["reason"] == "METHOD_NOT_ALLOWED"


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8080", "LOCALHOST:1", "127.0.0.1:8080", "127.9.9.9", "[::1]:8080", "[::1]"]
)
async def test_loopback_hosts(client: httpx.AsyncClient, host: str) -> None:
    """Requests to loopback names and addresses are served."""
    assert (await client.get(POLICIES, headers={"host": host})).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8080",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "10.0.0.1",
        "",
        "[::2]",
        "localhost@evil.example",
        "[::1",
        "0.0.0.0",
    ],
)
async def test_foreign_hosts(client: httpx.AsyncClient, pipeline: FakePipeline, host: str) -> None:
    """Any other name is refused on every path: it may be a web page's own name that points here (DNS rebinding)."""
    for path in (POLICIES, "/healthz", "/docs", "/nope"):
        response = await client.get(path, headers={"host": host})
        assert response.status_code == 403
        assert info_of(response)["reason"] == "HOST_NOT_ALLOWED"
    assert pipeline.calls == []


async def test_allowed_host(pipeline: FakePipeline) -> None:
    """A configured name is served."""
    async with client_of(app_over(pipeline, allowed_hosts=["egress.example"])) as client:
        assert (await client.get(POLICIES, headers={"host": "Egress.example:443"})).status_code == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost:9999", "http://127.0.0.1:8080"])
async def test_foreign_origin(client: httpx.AsyncClient, pipeline: FakePipeline, origin: str) -> None:
    """A page of another origin can't change anything, not even with a request without a body, which browsers send
    without preflight."""
    url = f"{POLICIES}:set?outboundPolicy.mode=ALLOW_ANY"
    response = await client.post(url, headers={"origin": origin})
    assert response.status_code == 403
    assert info_of(response)["reason"] == "ORIGIN_NOT_ALLOWED"
    assert pipeline.calls == []


async def test_own_origin(client: httpx.AsyncClient) -> None:
    """Our own pages may call."""
    url = f"{POLICIES}:set?outboundPolicy.mode=ALLOW_ANY"
    assert (await client.post(url, headers={"origin": "http://localhost:8080"})).status_code == 200


async def test_cors(pipeline: FakePipeline) -> None:
    """A configured origin may call with our headers, and read the ETag; error responses are readable too."""
    origin = {"origin": "https://portal.example"}
    async with client_of(app_over(pipeline, cors_origins=["https://portal.example"])) as client:
        asked = {"access-control-request-method": "POST", "access-control-request-headers": "if-match,content-type"}
        preflight = await client.options(f"{POLICIES}:set", headers={**origin, **asked})
        refused = await client.post(f"{POLICIES}:set", json={"nope": 1}, headers=origin)
        foreign = await client.get(POLICIES, headers={"origin": "https://other.example"})
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == "https://portal.example"
    assert refused.headers["access-control-allow-origin"] == "https://portal.example"
    assert "etag" in refused.headers["access-control-expose-headers"].lower()
    assert foreign.status_code == 403


async def test_no_cors_by_default(client: httpx.AsyncClient) -> None:
    """Without configuration no origin is allowed."""
    response = await client.get(POLICIES)
    assert not [name for name in response.headers if name.startswith("access-control")]


def test_is_fastapi(pipeline: FakePipeline) -> None:
    """The gateway is a FastAPI app whose OpenAPI is the contract's."""
    app = app_over(pipeline)
    assert isinstance(app, FastAPI)
    assert app.version == "1.2.3"
    assert app.openapi()["info"] == {
        "title": "mesh-egress",
        "version": "1.2.3",
        "description": app.openapi()["info"]["description"],
    }
