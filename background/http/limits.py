"""How much one client may ask at once: requests and streams of each key, and places for slow work.

Counted in this process: each API process has its own.
"""

import asyncio
import math
import time
from collections import Counter
from collections.abc import AsyncIterator
from http import HTTPStatus

from fastapi import Depends
from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import FixedWindowRateLimiter
from starlette.types import ASGIApp, Receive, Scope, Send

from background.base.errors import TooMany, Unavailable
from background.http.clients import client_of
from background.http.problems import problem
from background.http.requests import refuse

WAIT_SECONDS = 5.0
"""How long slow work waits for a place before the client is asked to come again."""


class RateLimit:
    """ASGI middleware: 429 for more than `per_minute` requests of one client; it stands behind the check of keys."""

    def __init__(self, app: ASGIApp, *, per_minute: int) -> None:
        self.app = app
        self.limit = RateLimitItemPerMinute(per_minute)
        self._limiter: FixedWindowRateLimiter | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is within the limit."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if self._limiter is None:  # its storage belongs to the running loop
            self._limiter = FixedWindowRateLimiter(MemoryStorage())
        client = client_of(scope)
        if await self._limiter.hit(self.limit, client):
            await self.app(scope, receive, send)
            return
        window = await self._limiter.get_window_stats(self.limit, client)
        seconds = max(1, math.ceil(window.reset_time - time.time()))
        detail = f"More than {self.limit.amount} requests a minute."
        answer = problem(
            HTTPStatus.TOO_MANY_REQUESTS,
            detail,
            code="too_many_requests",
            values={"limit": self.limit.amount, "seconds": seconds},
            headers={"Retry-After": str(seconds)},
        )
        await refuse(answer, receive, send)


class Shares:
    """At most `most` of something for one client at a time."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken: Counter[str] = Counter()

    def take(self, client: str) -> None:
        """Take one more for this client. Raises `TooMany`."""
        if self._taken[client] >= self._most:
            raise TooMany(f"More than {self._most} event streams at once.", code="too_many_streams", limit=self._most)
        self._taken[client] += 1

    def give_back(self, client: str) -> None:
        """Give one back for this client."""
        self._taken[client] -= 1
        if not self._taken[client]:
            del self._taken[client]


class Places:
    """Places for slow work, so that it takes neither the threads nor the processors of everything else.

    A dependency of a route; its body has come in by then, so that no slow client holds a place.
    """

    def __init__(self, number: int) -> None:
        self._places = asyncio.Semaphore(number)

    async def __call__(self) -> AsyncIterator[None]:
        """One place until the route is done. Raises `Unavailable` when none is free in time."""
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await self._places.acquire()
        except TimeoutError:
            raise Unavailable("Too much of this is being done; try again soon.", code="busy") from None
        try:
            yield
        finally:
            self._places.release()


slow_work = Places(4)
"""Reading documents, building large canvases, and batches share these."""


BULK = [Depends(Places(2), scope="function")]
"""The dependencies of a route that changes many jobs: each of them is in nobody's way, but ten of them would be."""
SLOW = [Depends(slow_work, scope="function")]
"""The dependencies of a route that is slow: only so many run at once."""
