"""Who wants to be told of the ends of jobs."""

import base64
import hashlib
import hmac
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import unquote

SECRET = "a secret of 32 characters, no less"


class Stub(ThreadingHTTPServer):
    """Keeps what it is sent, by path, and answers as the path says: `/200`, `/500-200` (first 500, then 200), ….

    What stands behind a question mark is the `Retry-After` of each 429, in the place of 1.

    Use as a context manager.
    """

    def __init__(self) -> None:
        self.got: dict[str, list[tuple[dict[str, str], bytes]]] = {}
        super().__init__(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()

    def handle_error(self, *_: Any) -> None:
        """Whoever called may have died in the middle of it."""

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Stub

    def do_POST(self) -> None:
        """Keep it, and answer."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        got = self.server.got.setdefault(self.path, [])
        got.append(({name.lower(): value for name, value in self.headers.items()}, body))
        path, _, after = self.path.partition("?")
        answers = path.split("/")[1].split("-")
        status = int(answers[min(len(got), len(answers)) - 1])
        self.send_response(status)
        if status == 429:
            self.send_header("Retry-After", unquote(after) or "1")
        if status == 302:
            self.send_header("Location", f"{self.server.url}/200/redirected")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Nothing."""


def verified(headers: dict[str, str], body: bytes) -> dict[str, Any]:
    """The message, after its signature was held against what Standard Webhooks says."""
    told = b".".join([headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), body])
    digest = base64.b64encode(hmac.new(SECRET.encode(), told, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{digest}"
    return dict(json.loads(body))
