"""`/docs`: Swagger UI from files of an installed package. Nothing is loaded from elsewhere, and the page says so to the
browser by its Content-Security-Policy."""

from importlib.util import find_spec
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.routing import Route

_PACKAGE = "mkdocs_swagger_ui_tag"
"""A package for another tool, of which only the Swagger UI 5 files are used; it is never imported."""
_FILES = {
    "swagger-ui.css": "stylesheets/swagger-ui.css",
    "swagger-ui-bundle.js": "javascripts/swagger-ui-bundle.js",
}

# Swagger UI writes style attributes and data: images of its own; scripts come from here alone.
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
# validatorUrl null: the default sends the document's address to a public validator.
_START = """SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  validatorUrl: null,
  tryItOutEnabled: true,
});
"""


def docs_routes() -> list[Route]:
    """The page, where / leads too, its start script and the two files of Swagger UI. Raises RuntimeError where those
    are missing."""

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
        raise RuntimeError(f"the package {_PACKAGE}, which carries Swagger UI, is not installed")
    base = Path(spec.submodule_search_locations[0]) / "swagger-ui"
    return {name: base / path for name, path in _FILES.items()}
