"""What every request body has to pass before a route sees it: a size limit, and JSON that can be stored."""

import json
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from background import jsontext
from background.errors import Invalid, TooLarge
from background.problems import STATUS_OF, problem

MAX_JSON_BYTES = 4 * 1024 * 1024
MULTIPART_OVERHEAD_BYTES = 64 * 1024
NO_NUL = r"^[^\x00]*$"
"""Pattern of a text parameter in a path or query: PostgreSQL's `text` holds no NUL character."""
DRAIN_BYTES = 64 * 1024 * 1024
"""How much of a refused body is still read, so that a client that sends before it listens gets its answer."""


class StorableRequest(Request):
    """A request whose `json()` refuses what PostgreSQL or a JSON reader could not take."""

    async def json(self) -> Any:
        """The parsed body. Raises `Invalid`, which says what is wrong with it as a whole."""
        if not hasattr(self, "_json"):
            self._json = _parsed(await self.body())
        return self._json


def _parsed(body: bytes) -> Any:
    where = ("body",)
    try:
        value = json.loads(body)
        if jsontext.deeper_than(jsontext.MAX_DEPTH, value):
            raise RecursionError
        jsontext.dumps(value)
    except json.JSONDecodeError as error:
        said = f"{error.msg}, at character {error.pos}"
        raise Invalid(f"The body is not JSON: {said}.", where=where, code="json_invalid", error=said) from None
    except RecursionError:
        message = f"The body is nested deeper than the {jsontext.MAX_DEPTH} levels that are allowed here."
        raise Invalid(message, where=where, code="json_depth", limit=jsontext.MAX_DEPTH) from None
    except ValueError as error:
        raise Invalid(f"The body cannot be used. {error}", where=where, code="json_refused", error=str(error)) from None
    return value


class StorableJSONRoute(APIRoute):
    """`route_class` of every router here."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The usual handler, with a `StorableRequest`."""
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await handler(StorableRequest(request.scope, request.receive))
            except HTTPException as error:
                # FastAPI says no more than that there was an error when it parsed the body.
                if isinstance(error.__cause__, Invalid):
                    raise error.__cause__ from None
                raise

        return handle


class BodyLimit:
    """ASGI middleware: 413 for a body of more than `MAX_JSON_BYTES`, or `max_upload_bytes` of a multipart one."""

    def __init__(self, app: ASGIApp, *, max_upload_bytes: int) -> None:
        self.app = app
        self.max_upload_bytes = max_upload_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; a body that is too large ends in a problem."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        limit = MAX_JSON_BYTES
        if headers.get("content-type", "").startswith("multipart/form-data"):
            limit = self.max_upload_bytes + MULTIPART_OVERHEAD_BYTES
        detail = f"The body is larger than the {limit} bytes allowed here."
        length = headers.get("content-length", "")
        if length.isdigit() and int(length) > limit:
            await drain(receive)
            await problem(STATUS_OF[TooLarge], detail, code="body_too_large", values={"bytes": limit})(
                scope, receive, send
            )
            return
        total = 0

        async def limited() -> Message:
            nonlocal total
            message = await receive()
            total += len(message.get("body", b""))
            if total > limit:
                await drain(receive)
                raise HTTPException(STATUS_OF[TooLarge], detail)
            return message

        await self.app(scope, limited, send)


async def drain(receive: Receive) -> None:
    """Read, and throw away, what is left of a body."""
    read = 0
    more = True
    while more and read < DRAIN_BYTES:
        message = await receive()
        read += len(message.get("body", b""))
        more = message.get("more_body", False)
