"""How much one client may ask at once: requests and streams of each key, and places for slow work.

Counted in this process: each API process has its own.
"""

import asyncio
import math
import time
from collections import Counter
from collections.abc import AsyncIterator
from http import HTTPStatus

from starlette.types import ASGIApp, Receive, Scope, Send

from background.clients import client_of
from background.errors import TooMany, Unavailable
from background.problems import problem
from background.requests import refuse

MINUTE_SECONDS = 60.0
WAIT_SECONDS = 5.0
"""How long slow work waits for a place before the client is asked to come again."""


class RateLimit:
    """ASGI middleware: 429 for more than `per_minute` requests of one client; it stands behind the check of keys.

    The minutes are the same for all.
    """

    def __init__(self, app: ASGIApp, *, per_minute: int) -> None:
        self.app = app
        self.most = per_minute
        self._asked: Counter[str] = Counter()
        self._ends = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what is within the limit."""
        seconds = self._seconds_to_wait(client_of(scope)) if scope["type"] == "http" else 0
        if not seconds:
            await self.app(scope, receive, send)
            return
        answer = problem(
            HTTPStatus.TOO_MANY_REQUESTS,
            f"More than {self.most} requests a minute.",
            code="too_many_requests",
            values={"limit": self.most, "seconds": seconds},
            headers={"Retry-After": str(seconds)},
        )
        await refuse(answer, receive, send)

    def _seconds_to_wait(self, client: str) -> int:
        now = time.monotonic()
        if now >= self._ends:
            self._asked.clear()
            self._ends = now + MINUTE_SECONDS
        self._asked[client] += 1
        return 0 if self._asked[client] <= self.most else math.ceil(self._ends - now)


class Shares:
    """At most `most` of something for one client at a time."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken: Counter[str] = Counter()

    def take(self, client: str) -> None:
        """One more. Raises `TooMany`."""
        if self._taken[client] >= self._most:
            raise TooMany(f"More than {self._most} event streams at once.", code="too_many_streams", limit=self._most)
        self._taken[client] += 1

    def give_back(self, client: str) -> None:
        """One less."""
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
