"""Server-sent events: reading them, and staying with a stream across interruptions."""

import itertools
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from background.cli.client import Client
from background.cli.errors import CommandFailed, ExitCode

PATIENCE_SECONDS = 60.0
"""How long the API may be away before a stream is given up."""
LONGEST_PAUSE_SECONDS = 5.0


@dataclass(frozen=True)
class Event:
    """One event; `id` is where the stream goes on after it, `data` is empty where only that was told."""

    id: str | None
    kind: str
    data: str


def parse(lines: Iterable[bytes]) -> Iterator[Event]:
    """The events in lines that end in LF or CRLF (WHATWG HTML, 9.2.6). One that is cut off is left out."""
    last_id: str | None = None
    told_id, kind, data = False, "message", list[str]()
    for raw in lines:
        line = raw.decode(errors="replace").rstrip("\r\n")
        if not line and raw:
            if data or told_id:
                yield Event(last_id, kind, "\n".join(data))
            told_id, kind, data = False, "message", []
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            data.append(value)
        elif name == "event":
            kind = value or "message"
        elif name == "id" and "\0" not in value:
            last_id, told_id = value, True


def follow(
    client: Client,
    path: str,
    *,
    opened: Callable[[], None] = lambda: None,
    interrupted: Callable[[str], None] = lambda _reason: None,
) -> Iterator[Event]:
    """The events of a stream to its end, each once, whatever happens to connections and the API meanwhile.

    `opened` is called with each connection before its first event, `interrupted` with the reason when none can be had.
    Raises `CommandFailed` at once when the first connection fails, and after `PATIENCE_SECONDS` without any later.
    """
    last: str | None = None
    connected, told, down_since = False, False, None
    pauses = _pauses()
    while True:
        try:
            with client.stream(path, after=last) as lines:
                if lines is None:
                    return
                opened()
                connected, told, down_since = True, False, None
                for event in parse(lines):
                    last = event.id or last
                    if event.data:
                        # A place alone is no progress: who gets no further than that does not try without a pause.
                        pauses = _pauses()
                        yield event
            reason = "The stream was cut."
        except CommandFailed as error:
            down_since = down_since or time.monotonic()
            patient = connected and time.monotonic() - down_since < PATIENCE_SECONDS
            if error.code is not ExitCode.UNAVAILABLE or not patient:
                raise
            reason = str(error)
        if (pause := next(pauses)) and not told:
            interrupted(reason)
            told = True
        time.sleep(pause)


def _pauses() -> Iterator[float]:
    """Seconds before each new try: none at first, since a stream that has ended says so when asked again."""
    return itertools.chain([0.0], (min(0.25 * 2.0**number, LONGEST_PAUSE_SECONDS) for number in itertools.count()))
