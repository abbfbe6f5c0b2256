"""What one client of a stream waits for, and what it has not been sent yet."""

import asyncio
import logging
import time
from collections.abc import Sequence

from background.streams.sql import RUNS, LogEntry, Position
from background.streams.subjects import State, Subject

logger = logging.getLogger(__name__)

SLOW_BYTES = 1_000_000
SLOW_SECONDS = 5.0
"""A client is dropped when so much waits for it, and it has taken nothing for so long."""
CHUNK_BYTES = 8 * 1024
"""After how many bytes a connection is given more: the rest waits here, where it is counted."""
LARGE_BYTES = 50_000
"""Of a larger run only the newest state is sent, not a copy for each event of its many tasks."""


class Subscription:
    """Lives in the event loop. `subject` is `None` for all jobs; `client` says whose it is (`clients.client_of`).

    The client has seen what goes up to `number` of its subject, or up to `position` of all jobs. With `behind` it has
    not seen all that was written since: the pages of that come first. `greeting` comes before all: from there a client
    of all jobs goes on that was cut off before it heard of any.
    """

    def __init__(
        self,
        subject: Subject | None,
        *,
        client: str,
        number: int = 0,
        position: Position | None = None,
        behind: bool = False,
    ) -> None:
        self.subject = subject
        self.client = client
        self.number = number
        self.position = position or Position(0, 0, 0)
        self.behind = behind
        # A block with an id alone sets what a client goes on from, and is no event to it (WHATWG HTML, 9.2.6).
        self.greeting = b"" if subject else f"id: {self.position}\n\n".encode()
        self.ended = False
        # Shared with all clients that get the same.
        self._messages: list[bytes] = []
        self._waiting_bytes = 0
        self._waiting: asyncio.Future[None] | None = None
        self._sending_since: float | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits for the client."""
        return not self._messages

    def put_event(self, event: LogEntry, state: State) -> None:
        """An event of all jobs, unless the client has it."""
        if event.position > self.position:
            self.position = event.position
            self._put(str(event.position), event.kind, state)

    def put_numbered(self, events: Sequence[tuple[int, str]], state: State) -> None:
        """Events of the one subject, unless the client has them; the last one of an ended subject ends the stream."""
        of_run = self.subject is not None and self.subject.log == RUNS
        for number, kind in events[-1:] if of_run and len(state.data) > LARGE_BYTES else events:
            if number > self.number:
                self.number = number
                self._put(str(number), kind, state)
        if state.ended and self.number >= state.number:
            self.end()

    def end(self) -> None:
        """Nothing more comes."""
        self.ended = True
        self._wake()

    async def take(self, *, seconds: float) -> bytes | None:
        """The next of what waits, or `b""` when nothing came for so many seconds; `None` at the end."""
        if not self._messages and not self.ended:
            loop = asyncio.get_running_loop()
            self._waiting = loop.create_future()
            alarm = loop.call_later(seconds, self._wake)
            try:
                await self._waiting
            finally:
                alarm.cancel()
        if not self._messages and self.ended:
            return None
        number = size = 0
        while number < len(self._messages) and size < CHUNK_BYTES:
            size += len(self._messages[number])
            number += 1
        found = b"".join(self._messages[:number])
        del self._messages[:number]
        self._waiting_bytes -= size
        self._sending_since = time.monotonic()
        return found

    def sent(self) -> None:
        """The client has got what was taken last."""
        self._sending_since = None

    def _put(self, identifier: str, kind: str, state: State) -> None:
        if self.ended:
            return
        message = state.message(identifier, kind)
        self._messages.append(message)
        self._waiting_bytes += len(message)
        self._wake()
        stuck = self._sending_since is not None and time.monotonic() - self._sending_since > SLOW_SECONDS
        if stuck and self._waiting_bytes > SLOW_BYTES:
            logger.warning("A client did not read its event stream and was dropped.")
            self._messages.clear()
            self.end()

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)
