"""A stored file as an answer."""

import os
import re
from pathlib import Path

from starlette.datastructures import Headers
from starlette.responses import FileResponse
from starlette.staticfiles import NotModifiedResponse
from starlette.types import Receive, Scope, Send

RANGES = re.compile(r"bytes=\s*(?:[0-9]+-[0-9]*|-[0-9]+)(?:\s*,\s*(?:[0-9]+-[0-9]*|-[0-9]+))*\s*")
HEADERS = {"Content-Security-Policy": "sandbox", "Cache-Control": "private, no-cache"}


class Download(FileResponse):
    """A file as an attachment, so that no browser runs it; in ranges, or 304 for a client that has it.

    It is opened here: raises `FileNotFoundError`, and whoever deletes it from now on takes nothing from its reader.
    """

    def __init__(self, path: Path, *, media_type: str, filename: str) -> None:
        self._file = path.open("rb")
        super().__init__(
            # The open file by its number, whatever happens to its name.
            f"/dev/fd/{self._file.fileno()}",
            media_type=media_type,
            filename=filename,
            headers=HEADERS,
            stat_result=os.fstat(self._file.fileno()),
        )
        self.headers["content-type"] = media_type  # without a charset of Starlette's: a text may be in any

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        with self._file:
            known = [
                each.strip().removeprefix("W/") for each in Headers(scope=scope).get("if-none-match", "").split(",")
            ]
            # What is no range of bytes asks for nothing (RFC 9110, 14.2).
            if not RANGES.fullmatch(Headers(scope=scope).get("range", "")):
                scope = {**scope, "headers": [each for each in scope["headers"] if each[0] != b"range"]}
            if "*" in known or self.headers["etag"] in known:
                await NotModifiedResponse(self.headers)(scope, receive, send)
            else:
                await super().__call__(scope, receive, send)
