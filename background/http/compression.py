"""Answers compressed for clients that can take them so."""

import re

from starlette.datastructures import Headers
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

LEAST_BYTES = 1024
LEVEL = 5
AS_THEY_ARE = (
    "text/*",
    "image/*",
    "audio/*",
    "video/*",
    "application/pdf",
    "application/zip",
    "application/octet-stream",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
)
"""Event streams, which must not wait; files, whose ranges and ETags are of what is stored; the page sees to its own."""
GZIP = re.compile(r"(?:^|,)\s*(?:x-)?gzip\s*(?:;\s*q=(?!0(?:\.0*)?\s*(?:,|$))[0-9.]+\s*)?(?:,|$)", re.IGNORECASE)


def takes_gzip(asked: Headers) -> bool:
    """Whether a client says that it takes gzip, and not with `q=0` that it does not (RFC 9110, 12.5.3)."""
    return GZIP.search(asked.get("accept-encoding", "")) is not None


class Compressed(GZipMiddleware):
    """ASGI middleware: JSON of at least `LEAST_BYTES` is sent compressed to a client that takes it so."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(app, minimum_size=LEAST_BYTES, compresslevel=LEVEL, exclude_content_types=AS_THEY_ARE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] == "http" and not takes_gzip(Headers(scope=scope)):
            # It would take any mention of gzip for a wish.
            others = [each for each in scope["headers"] if each[0] != b"accept-encoding"]
            scope = {**scope, "headers": others}
        await super().__call__(scope, receive, send)
