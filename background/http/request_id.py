"""The id of a request: taken from `X-Request-ID` or made, on every log line of the request, and on its answer."""

import re
from uuid import uuid4

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from background.base import log_context
from background.http.headers import header

HEADER = "X-Request-ID"
NAME = HEADER.lower().encode()
TOKEN = re.compile(r"[A-Za-z0-9._-]{1,128}")


class RequestId:
    """ASGI middleware, to be the outermost one."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on. A given id that is no token of at most 128 characters is replaced."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = header(scope, NAME)
        request_id = given if TOKEN.fullmatch(given) else str(uuid4())
        # Until the request's own task ends: what the server says of an error comes after us.
        log_context.bind(request_id=request_id)

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (NAME, request_id.encode())]
            await send(message)

        await self.app(scope, receive, answer)


def of_answer() -> dict[str, str]:
    """The header of an answer that does not pass the middleware."""
    request_id = log_context.request_id()
    return {} if request_id is None else {HEADER: request_id}
