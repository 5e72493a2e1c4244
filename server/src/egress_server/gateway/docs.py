"""`/docs`: Swagger UI from the files of an installed package. A Content-Security-Policy ensures that nothing is loaded
from elsewhere."""

from importlib.util import find_spec
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.routing import Route

_PACKAGE = "mkdocs_swagger_ui_tag"
"""A package for another tool. Only its Swagger UI 5 files are used; it is never imported."""
_FILES = {
    "swagger-ui.css": "stylesheets/swagger-ui.css",
    "swagger-ui-bundle.js": "javascripts/swagger-ui-bundle.js",
}

# Swagger UI uses style attributes and data: images; scripts only come from this server.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "font-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {"content-security-policy": _POLICY, "x-content-type-options": "nosniff"}

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>mesh-egress API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""
# validatorUrl null: the default sends the URL of the document to a public validator.
_START = """SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  validatorUrl: null,
  tryItOutEnabled: true,
});
"""


def docs_routes() -> list[Route]:
    """The page, a redirect to it from /, its start script and the files of Swagger UI. Raises RuntimeError if these are
    missing."""

    async def page(_: Request) -> Response:
        return Response(_PAGE, media_type="text/html", headers=_HEADERS)

    async def start(_: Request) -> Response:
        return Response(_START, media_type="text/javascript", headers=_HEADERS)

    async def home(_: Request) -> Response:
        return RedirectResponse("/docs")

    routes = [Route("/", home), Route("/docs", page), Route("/docs/start.js", start)]
    return routes + [_file(name, path) for name, path in _assets().items()]


def _file(name: str, path: Path) -> Route:
    async def serve(_: Request) -> Response:
        return FileResponse(path, headers=_HEADERS)

    return Route(f"/docs/{name}", serve)


def _assets() -> dict[str, Path]:
    spec = find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError(f"package {_PACKAGE}, which contains Swagger UI, is not installed")
    base = Path(spec.submodule_search_locations[0]) / "swagger-ui"
    return {name: base / path for name, path in _FILES.items()}
