"""Server-sent events: reading them, and staying with a stream across interruptions. Nothing here sends anything."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

from background.client.errors import ClientError, WaitTimeout
from background.client.exchange import PATIENCE_SECONDS, SILENCE_SECONDS, Patience, Request

COMMENT_SECONDS = 10.0
"""How often the API says something on a stream, at least."""


@dataclass(frozen=True)
class ServerEvent:
    """One event; `id` is where the stream goes on after it, `data` is empty where only that was told."""

    id: str | None
    kind: str
    data: str


class Parser:
    """The events of a stream that comes in pieces (WHATWG HTML, 9.2.6). One that is cut off is left out."""

    def __init__(self) -> None:
        self._rest: list[bytes] = []
        self._last_id: str | None = None
        self._begin()

    def _begin(self) -> None:
        self._told_id, self._kind, self._data = False, "message", list[str]()

    def feed(self, piece: bytes) -> Iterator[ServerEvent]:
        """The events that are complete with this piece; lines end in LF or CRLF."""
        *lines, rest = piece.split(b"\n")
        if lines:
            lines[0] = b"".join([*self._rest, lines[0]])
            self._rest.clear()
        self._rest.append(rest)
        for line in lines:
            if event := self._line(line.decode(errors="replace").removesuffix("\r")):
                yield event

    def _line(self, line: str) -> ServerEvent | None:
        if not line:
            told = self._data or self._told_id
            event = ServerEvent(self._last_id, self._kind, "\n".join(self._data)) if told else None
            self._begin()
            return event
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._kind = value or "message"
        elif name == "id" and "\0" not in value:
            self._last_id, self._told_id = value, True
        return None


class Following:
    """One stream, from behind the event `last` to its end: what to ask for next, and when.

    `until`, a time of `time.monotonic()`, is when it is given up. `patience` counts for the first connection; one that
    was had may be away for `PATIENCE_SECONDS` in any case.
    """

    def __init__(self, path: str, *, last: str | None = None, patience: float, until: float | None = None) -> None:
        self.path = path
        self.last = last
        self.told = False
        self._until = until
        self._patience = Patience(patience)
        self._silence = SILENCE_SECONDS

    @property
    def left(self) -> float:
        """Seconds until it is given up."""
        return SILENCE_SECONDS if self._until is None else self._until - time.monotonic()

    def request(self) -> tuple[Request, float]:
        """What to send, and for how long the answer may be silent. Raises `WaitTimeout` when it is too late."""
        if self.left <= 0:
            raise WaitTimeout("It has not ended in time.")
        headers = {"Accept": "text/event-stream"}
        if self.last is not None:
            headers["Last-Event-ID"] = self.last
        self._silence = min(SILENCE_SECONDS, self.left)
        return Request("GET", self.path, None, headers, repeatable=True), self._silence

    def connected(self) -> None:
        """There is a connection."""
        self._patience.seconds = max(self._patience.seconds, PATIENCE_SECONDS)
        self._patience.reached()
        self.told = False

    def takes(self, event: ServerEvent) -> bool:
        """Whether this event says something; where it is, the stream goes on in any case."""
        self.last = event.id or self.last
        if event.data:
            # A place alone is no progress: who gets no further than that does not try without a pause.
            self._patience.progressed()
        return bool(event.data)

    @property
    def overdue(self) -> bool:
        """Whether this connection may be silent beyond the end: the API's comments would hide it."""
        return self.left < COMMENT_SECONDS and self.left < self._silence - 1

    def pause(self, error: ClientError | None) -> float:
        """Seconds until it is asked for again, `None` being a stream that was cut. Raises `error` where it is not."""
        try:
            return min(self._patience.pause(error), max(self.left, 0.0))
        except ClientError:
            if self.left <= 0:
                return 0.0
            raise
