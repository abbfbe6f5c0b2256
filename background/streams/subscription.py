"""What one client of a stream waits for, and what it has not been sent yet."""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Sequence

from fastapi.sse import format_sse_event

from background.streams.documents import Document, Subject
from background.streams.queries import Event, Position

SLOW_BYTES = 1_000_000
SLOW_SECONDS = 5.0
"""A client is dropped when so much waits for it, and it has taken nothing for so long."""
LARGE_CHARACTERS = 50_000
"""Of a larger document only the newest state is sent, not a copy for each event."""


class Subscription:
    """Lives in the event loop. `subject` is `None` for all jobs."""

    def __init__(self, subject: Subject | None, *, after: Position | None = None) -> None:
        self.subject = subject
        # The newest number that was sent, or seen by the client before.
        self.number = 0
        # For all jobs: what the client has, and from where on the feed hands it what comes.
        self.position = after or Position(0, 0, 0)
        self.begins_at = Position(0, 0, 0)
        self.dropped = asyncio.Event()
        self._messages: deque[bytes] = deque()
        self._ready = asyncio.Event()
        self._ended = False
        self._sending_since: float | None = None

    def begin(self, position: Position) -> None:
        """The feed hands on what follows `position`."""
        self.begins_at = position
        self.position = max(self.position, position)

    def put_event(self, event: Event, document: Document) -> None:
        """An event of all jobs, unless the client has it."""
        if event.position > self.position:
            self.position = event.position
            self._put(message_of(event, document))

    def put_numbered(self, events: Sequence[tuple[int, str]], document: Document) -> None:
        """Events of the one subject, unless the client has them; the last one of an ended subject ends the stream."""
        for number, kind in events[-1:] if len(document.data) > LARGE_CHARACTERS else events:
            if number > self.number:
                self.number = number
                self._put(format_sse_event(id=str(number), event=kind, data_str=document.data))
        if document.ended and self.number >= document.number:
            self.end()

    def end(self) -> None:
        """Nothing more comes."""
        self._ended = True
        self._ready.set()

    async def take(self, *, seconds: float) -> bytes | None:
        """All that waits, or `b""` when nothing came for so many seconds; `None` at the end."""
        self._sending_since = None
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._ready.wait(), seconds)
        if not self._messages and self._ended:
            return None
        found = b"".join(self._messages)
        self._messages.clear()
        if not self._ended:
            self._ready.clear()
        self._sending_since = time.monotonic()
        return found

    def _put(self, message: bytes) -> None:
        if self._ended:
            return
        self._messages.append(message)
        self._ready.set()
        stuck = self._sending_since is not None and time.monotonic() - self._sending_since > SLOW_SECONDS
        if stuck and sum(map(len, self._messages)) > SLOW_BYTES:
            self.end()
            self._messages.clear()
            self.dropped.set()


def message_of(event: Event, document: Document) -> bytes:
    """An event of all jobs as it goes over the wire."""
    return format_sse_event(id="-".join(map(str, event.position)), event=event.kind, data_str=document.data)
