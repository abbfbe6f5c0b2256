"""The HTTP side of a stream."""

import asyncio
import contextlib
import logging

from fastapi.sse import KEEPALIVE_COMMENT
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from background.errors import Unavailable
from background.streams.feed import Feed
from background.streams.subscription import Subscription

logger = logging.getLogger(__name__)

COMMENT_SECONDS = 10.0
"""A comment goes out when nothing else did for so long, so that both sides see that the other is there."""


class EventStream(Response):
    """Sends what a subscription gives until it ends, its client goes, or is dropped as too slow.

    When PostgreSQL fails while its client catches up, the stream ends, and the client asks again.
    """

    media_type = "text/event-stream"

    def __init__(self, feed: Feed, subscription: Subscription) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._feed = feed
        self._subscription = subscription

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  (ASGI)
        """Send it all."""
        tasks = {
            asyncio.create_task(self._send(send)),
            asyncio.create_task(_gone(receive)),
            asyncio.create_task(self._subscription.dropped.wait()),
        }
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._feed.unsubscribe(self._subscription)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if self._subscription.dropped.is_set():
            logger.warning("A client did not read its event stream and was dropped.")
        for task in done:
            task.result()

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self._subscription.greeting, "more_body": True})
        with contextlib.suppress(Unavailable):
            await self._feed.catch_up(self._subscription)
            while (messages := await self._subscription.take(seconds=COMMENT_SECONDS)) is not None:
                await send({"type": "http.response.body", "body": messages or KEEPALIVE_COMMENT, "more_body": True})
                self._subscription.sent()
                await self._feed.catch_up(self._subscription)
        await send({"type": "http.response.body", "body": b""})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
