"""What every request body has to pass before a route sees it: a size limit, and JSON that can be stored."""

import asyncio
import contextlib
import json
import re
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from functools import partial, wraps
from http import HTTPStatus
from inspect import iscoroutinefunction
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BeforeValidator
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from background.base import jsontext
from background.base.errors import Invalid, TooLarge
from background.http.clients import client_of
from background.http.headers import header
from background.http.problems import STATUS_OF, malformed, problem
from background.storage import deadlines
from background.storage.turns import turn

MAX_JSON_BYTES = 4 * 1024 * 1024
MAX_VALUES = 1_000_000
"""How many values a JSON body may hold: what checks them is one step, in which nobody else is served."""
MULTIPART_OVERHEAD_BYTES = 64 * 1024
_THING = re.compile(r"([^{]*)\{(\w+)")
"""What stands in a path before the name of one thing, and the parameter that has that."""
_WHOLE = re.compile(r"0|-?[1-9][0-9]*")


def _as_written(value: object) -> object:
    if isinstance(value, str) and not _WHOLE.fullmatch(value):
        raise ValueError("a whole number is written in digits alone")
    return value


AS_WRITTEN = BeforeValidator(_as_written)
"""Of a whole number in a path or query: one thing has one address, so `01`, `+1` and `1.0` are none."""
LARGE_BYTES = 64 * 1024
BODY_SECONDS = 10.0
BODY_RATE = 8_000
MAX_HELD_BYTES = 256 * 1024 * 1024
"""How much of bodies that are not complete yet is taken from one client."""
LINGER_BYTES = 1024 * 1024
LINGER_SECONDS = 2.0
CLOSE = {"Connection": "close"}


class StorableRequest(Request):
    """A request whose `json()` refuses what PostgreSQL or a JSON reader could not take."""

    async def json(self) -> Any:
        """The parsed body. Raises `Invalid`, which says what is wrong with it as a whole."""
        if not hasattr(self, "_json"):
            body = await self.body()
            # A large one would keep everybody else waiting.
            large = len(body) > LARGE_BYTES
            self._json = await run_in_threadpool(_parsed, body) if large else _parsed(body)
        return self._json


def _parsed(body: bytes) -> Any:
    where = ("body",)
    try:
        text = body.decode(json.detect_encoding(body), "surrogatepass")
        value = json.loads(text)
        if jsontext.deeper_than(jsontext.MAX_DEPTH, value):
            raise RecursionError
        if jsontext.holds_more_than(MAX_VALUES, value):
            message = f"The body holds more than {MAX_VALUES:,} values."
            raise TooLarge(message, code="body_too_many_values", limit=MAX_VALUES)
        jsontext.require_storable(value, text)
    except json.JSONDecodeError as error:
        said = f"{error.msg}, at character {error.pos}"
        raise Invalid(f"The body is not JSON: {said}.", where=where, code="json_invalid", error=said) from None
    except RecursionError:
        message = f"The body is nested deeper than the {jsontext.MAX_DEPTH} levels that are allowed here."
        raise Invalid(message, where=where, code="json_depth", limit=jsontext.MAX_DEPTH) from None
    except ValueError as error:
        raise Invalid(f"The body cannot be used. {error}", where=where, code="json_refused", error=str(error)) from None
    return value


class ProblemRoute(APIRoute):
    """`route_class` of every router here: answers a problem where a field cannot be used, in whatever application."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The usual handler, whose validation errors are ours."""
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await handler(request)
            except RequestValidationError as error:
                return await malformed(request, error)

        return handle


class StorableJSONRoute(ProblemRoute):
    """`route_class` of what takes JSON. What changes one thing waits for its turn with that."""

    def __init__(self, path: str, endpoint: Callable[..., Any], *, methods: set[str], **options: Any) -> None:
        """As FastAPI's. A router that is included makes routes of its own of these endpoints."""
        if not iscoroutinefunction(endpoint):
            thing = None if {*methods} <= {"GET", "HEAD"} else _THING.match(path)
            endpoint = _in_thread(endpoint, *(thing.groups() if thing else ()))
        super().__init__(path, endpoint, methods=methods, **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The usual handler, with a `StorableRequest`."""
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                return await handler(StorableRequest(request.scope, request.receive))
            except HTTPException as error:
                # FastAPI says no more than that there was an error when it parsed the body.
                if isinstance(error.__cause__, Invalid | TooLarge):
                    raise error.__cause__ from None
                raise

        return handle


def _in_thread(
    function: Callable[..., Any], kind: str | None = None, parameter: str = ""
) -> Callable[..., Coroutine[Any, Any, Any]]:
    """What FastAPI makes of a plain function, except that a second thread would look whether the answer is a model.

    One that changes what the parameter names, a thing of this kind, does so in its turn.
    """

    @wraps(function)
    async def call(**values: Any) -> Any:
        called = partial(function, **values)
        if kind is None:
            return await deadlines.in_thread(called)
        async with turn(kind, values[parameter], lock_seconds=deadlines.LOCK_SECONDS) as asked:
            return await deadlines.in_thread(called, since=asked)

    return call


class BodyLimit:
    """ASGI middleware that bounds a body, and how long it may take.

    413 for more than `MAX_JSON_BYTES`, or `max_upload_bytes` of a multipart one; 408 for one of which nothing came for
    `BODY_SECONDS`, or that is slower than `BODY_RATE` bytes a second; 429 for more than `MAX_HELD_BYTES` of one client.
    """

    def __init__(self, app: ASGIApp, *, max_upload_bytes: int) -> None:
        self.app = app
        self.max_upload_bytes = max_upload_bytes
        self._held: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; a body that is too large or too slow ends in a problem."""
        if scope["type"] != "http" or not _has_body(scope):
            await self.app(scope, receive, send)
            return
        limit = MAX_JSON_BYTES
        if header(scope, b"content-type").lower().startswith("multipart/form-data"):
            limit = self.max_upload_bytes + MULTIPART_OVERHEAD_BYTES
        detail = f"The body is larger than the {limit} bytes allowed here."
        length = header(scope, b"content-length")
        if length.isdigit() and int(length) > limit:
            answer = problem(STATUS_OF[TooLarge], detail, code="body_too_large", values={"bytes": limit})
            await refuse(answer, receive, send)
            return
        client = client_of(scope)
        total = 0
        waited = 0.0
        more = True

        async def limited() -> Message:
            nonlocal total, waited, more
            if not more:  # whoever asks now waits for the client to go
                return await receive()
            began = time.monotonic()
            try:
                async with asyncio.timeout(min(BODY_SECONDS, BODY_SECONDS + total / BODY_RATE - waited)):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(HTTPStatus.REQUEST_TIMEOUT, "The body did not come in time.", CLOSE) from None
            waited += time.monotonic() - began
            size = len(message.get("body", b""))
            total += size
            self._held[client] += size
            more = message.get("more_body", False)
            if self._held[client] > MAX_HELD_BYTES:
                too_many = f"More than {MAX_HELD_BYTES} bytes of bodies at once."
                raise HTTPException(HTTPStatus.TOO_MANY_REQUESTS, too_many, CLOSE | {"Retry-After": "1"})
            if total > limit:
                raise HTTPException(STATUS_OF[TooLarge], detail, CLOSE)
            return message

        try:
            await self.app(scope, limited, send)
        finally:
            self._held[client] -= total
            if not self._held[client]:
                del self._held[client]


def _has_body(scope: Scope) -> bool:
    return any(name in (b"content-length", b"transfer-encoding") for name, _ in scope["headers"])


async def refuse(answer: Response, receive: Receive, send: Send) -> None:
    """Give the answer at once, and then read on for a moment, throwing away: not the body to its end.

    A client that sends before it listens would otherwise meet a reset connection instead of the answer.
    """
    answer.headers["Connection"] = "close"
    await send({"type": "http.response.start", "status": answer.status_code, "headers": answer.raw_headers})
    await send({"type": "http.response.body", "body": answer.body, "more_body": True})
    read = 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LINGER_SECONDS):
            while read < LINGER_BYTES:
                message = await receive()
                read += len(message.get("body", b""))
                if not message.get("more_body", False):
                    break
    await send({"type": "http.response.body", "body": b""})
