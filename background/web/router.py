"""`/ui/`: the files of the web page, packed or as they lie in `static`; and `/docs`, the API's own page."""

import gzip
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from http import HTTPStatus
from pathlib import Path

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.staticfiles import NotModifiedResponse, StaticFiles
from starlette.types import Scope

from background.http.compression import takes_gzip
from background.settings import get_settings

STATIC = Path(__file__).parent / "static"
PACKED = Path(__file__).parent / "packed"
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
NAMED_BY_CONTENT = re.compile(r"[\w-]+-([0-9a-f]{12}|[0-9A-Z]{8})\.(js|css)")
FOREVER = "public, max-age=31536000, immutable"
LEAST_BYTES = 512
"""What is smaller is not worth compressing."""


class Page(StaticFiles):
    """Static files with the page's headers, and `config.json`; GET and HEAD only, nothing outside their directories.

    They are those of `packed`, and what is not packed of `static`; with `sources` those of `static` alone.
    """

    def __init__(self, *, sources: bool, parts: Sequence[str]) -> None:
        """`parts` are those that the application has, of which the page leads to these alone."""
        super().__init__(directory=STATIC, html=True)
        self.parts = list(parts)
        self.all_directories = [STATIC] if sources else [PACKED, STATIC]

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file, or a redirect to a directory's `/`. Raises `HTTPException` 404 or 405."""
        if scope["method"] not in METHODS:
            raise HTTPException(HTTPStatus.METHOD_NOT_ALLOWED, headers={"Allow": ", ".join(METHODS)})
        response = config(self.parts) if path == CONFIG else await super().get_response(path, scope)
        if isinstance(response, FileResponse):
            response = await self._compressed(response, Headers(scope=scope))
        response.headers.update(HEADERS)
        if NAMED_BY_CONTENT.fullmatch(path):
            response.headers["Cache-Control"] = FOREVER
        return response

    async def _compressed(self, plain: FileResponse, asked: Headers) -> Response:
        """The same file for a client that takes it compressed; it has an ETag of its own."""
        plain.headers["Vary"] = "Accept-Encoding"
        size = int(plain.headers["content-length"])
        if size < LEAST_BYTES or "range" in asked or not takes_gzip(asked):
            return plain
        content = await run_in_threadpool(compressed, str(plain.path), plain.headers["etag"])
        headers = {name: plain.headers[name] for name in ("content-type", "last-modified", "vary")}
        tag = plain.headers["etag"].removesuffix('"') + '-gzip"'
        answer = Response(content, headers={**headers, "Content-Encoding": "gzip", "ETag": tag})
        return NotModifiedResponse(answer.headers) if self.is_not_modified(answer.headers, asked) else answer


@lru_cache(maxsize=100)  # of all files there are
def compressed(path: str, _tag: str) -> bytes:
    """A file, compressed once for as long as its ETag stays the same."""
    return gzip.compress(Path(path).read_bytes(), mtime=0)


def config(parts: Sequence[str]) -> Response:
    """What the page cannot know by itself: the parts there are, and where Flower is, `null` when nobody has said."""
    flower = get_settings().flower_url
    return JSONResponse({"flower": str(flower) if flower else None, "parts": list(parts)})


router = APIRouter()


@router.get("/docs", include_in_schema=False)
def docs() -> FileResponse:
    """Swagger UI, from files of our own."""
    # Its icons lie in its style sheet.
    policy = POLICY.replace("img-src 'self'", "img-src 'self' data:")
    return FileResponse(DOCS, headers={**HEADERS, "Content-Security-Policy": policy})
