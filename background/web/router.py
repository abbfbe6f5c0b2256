"""`/ui/`: the files of the web page, as they lie in `static`; and `/docs`, the API's own page."""

from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from background.settings import get_settings

STATIC = Path(__file__).parent / "static"
DOCS = Path(__file__).parent / "docs.html"
CONFIG = "config.json"
METHODS = ("GET", "HEAD")

# Nothing from another host, no script or style within the markup, no plug-in, no frame around it.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # Asked again each time, by ETag: a page and its modules are always of one version.
    "Cache-Control": "no-cache",
}


class Page(StaticFiles):
    """Static files with the page's headers, and `config.json`; GET and HEAD only, nothing outside `static`."""

    def __init__(self) -> None:
        super().__init__(directory=STATIC, html=True)

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file, or a redirect to a directory's `/`. Raises `HTTPException` 404 or 405."""
        if scope["method"] not in METHODS:
            raise HTTPException(HTTPStatus.METHOD_NOT_ALLOWED, headers={"Allow": ", ".join(METHODS)})
        response = config() if path == CONFIG else await super().get_response(path, scope)
        response.headers.update(HEADERS)
        return response


def config() -> Response:
    """What the page cannot know by itself: where Flower is, `null` when nobody has said."""
    flower = get_settings().flower_url
    return JSONResponse({"flower": str(flower) if flower else None})


router = APIRouter()


@router.get("/docs", include_in_schema=False)
def docs() -> FileResponse:
    """Swagger UI, from files of our own."""
    # Its icons lie in its style sheet.
    policy = POLICY.replace("img-src 'self'", "img-src 'self' data:")
    return FileResponse(DOCS, headers={**HEADERS, "Content-Security-Policy": policy})


page = Page()
