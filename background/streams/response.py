"""The HTTP side of a stream."""

import asyncio
import contextlib

from fastapi.sse import KEEPALIVE_COMMENT
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from background.base.errors import Unavailable
from background.streams.feed import Feed
from background.streams.subscription import Subscription

COMMENT_SECONDS = 10.0
"""A comment goes out when nothing else did for so long, so that both sides see that the other is there."""


class EventStream(Response):
    """Sends what a subscription gives until it ends; it ends, too, when its client goes.

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
        going = asyncio.create_task(self._end_with_client(receive))
        try:
            await self._send(send)
        finally:
            self._feed.unsubscribe(self._subscription)
            going.cancel()

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

    async def _end_with_client(self, receive: Receive) -> None:
        with contextlib.suppress(HTTPException):  # it promised a body that does not come
            while (await receive())["type"] != "http.disconnect":
                pass
        self._subscription.end()
