"""What every answer has, HEAD for whatever can be had by GET, and problems in place of a library's plain text."""

from collections.abc import Mapping
from http import HTTPStatus

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from background.http.problems import problem

PLAIN = "text/plain"

HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    # Data, not pages: nothing in them is ever run or framed.
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)
"""Unless the answer brings its own."""
SENTENCES: Mapping[int, str] = {
    HTTPStatus.BAD_REQUEST: "The Range header asks for no range of bytes.",
    HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE: "The file is shorter than the range that was asked for.",
}


class Answers:
    """ASGI middleware: the headers of every answer; HEAD is answered as GET is, without the body."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        is_head = scope["method"] == "HEAD"
        done = False

        async def complete(message: Message) -> None:
            nonlocal done
            if done:
                return
            body = b"" if is_head else None
            if message["type"] == "http.response.start":
                own = {name for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *(each for each in HEADERS if each[0] not in own)]
                if message["status"] >= HTTPStatus.BAD_REQUEST:
                    headers = MutableHeaders(scope=message)
                    if headers.get("content-type", "").startswith(PLAIN):
                        body = _as_problem(message["status"], headers, body=body)
            await send(message)
            if body is not None:
                done = True
                await send({"type": "http.response.body", "body": body})

        async def heard() -> Message:
            # A stream has no end by itself.
            return {"type": "http.disconnect"} if done else await receive()

        await self.app({**scope, "method": "GET"} if is_head else scope, heard, complete)


def _as_problem(status: int, headers: MutableHeaders, *, body: bytes | None) -> bytes:
    """The body of the problem that this status is; what else the headers say stays."""
    answer = problem(HTTPStatus(status), SENTENCES.get(status, HTTPStatus(status).description or "Refused."))
    headers["Content-Type"] = answer.headers["content-type"]
    headers["Content-Length"] = answer.headers["content-length"]
    return bytes(answer.body) if body is None else body
