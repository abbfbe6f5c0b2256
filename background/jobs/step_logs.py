"""What steps log, kept with their attempts: `context.log`, and whatever their code says to the standard `logging`.

A thread of the process writes what has come, twice a second at most, in one statement: a step never waits for it, and
where nothing is logged there is no such thread. Of an attempt the newest lines are kept.
"""

import json
import logging
import threading
import time
import traceback
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from os import register_at_fork
from typing import Any

from background.base import jsontext
from background.base.errors import Unavailable
from background.jobs.sql import logs
from background.jobs.sql.logs import Chunk
from background.storage import pools

MOST_LINES = 1000
MOST_BYTES = 256 * 1024
"""How much of an attempt is kept at least; what is older goes, in the pieces in which it was written."""
LINE_CHARACTERS = 4_000
LEVEL_CHARACTERS = 40
WRITE_SECONDS = 0.5
STATEMENT_BYTES = 4 * 1024 * 1024
"""About how much one statement writes; the rest has its turn in the next."""
OWN = "background.step"
"""The logger of `context.log`, whose lines are kept whatever the level of the worker's log is."""

logger = logging.getLogger(__name__)
_step_logger = logging.getLogger(OWN)


# A line on its way costs a few microseconds, and steps may log thousands a second: so it is a plain tuple here.
_Line = tuple[int, float, str, str]
"""A step, a time of `time.monotonic()`, a level and a message."""


class Lines:
    """What the steps of one attempt have logged; numbered from 1."""

    def __init__(self, job_id: int, attempt: int) -> None:
        self.job_id = job_id
        self.attempt = attempt
        self.number = 0
        self._sizes: deque[int] = deque()
        self._bytes = 0
        self._unwritten: deque[_Line] = deque()
        self.home: _Home | None = None
        """Who knows that there is something to be written."""

    def add(self, step: int, level: str, text: str) -> str:
        """Keep one more line, of which only the beginning counts where it is long; gives what is kept."""
        message = jsontext.clean_text(text[:LINE_CHARACTERS])
        if len(text) > LINE_CHARACTERS:
            message = f"{message}… [{len(text) - LINE_CHARACTERS} characters left out]"
        size = len(message) if message.isascii() else len(message.encode())
        line = (step, time.monotonic(), _level(str(level)), message)
        with _home.lock:
            self.number += 1
            self._unwritten.append(line)
            self._sizes.append(size)
            self._bytes += size
            while len(self._sizes) > MOST_LINES or self._bytes > MOST_BYTES:
                self._bytes -= self._sizes.popleft()
                if len(self._unwritten) > len(self._sizes):
                    self._unwritten.popleft()
            if self.home is not _home:
                _home.wanted(self)
        return message

    def take(self) -> list[Chunk]:
        """What has not been written yet, a chunk for each step; from now on it counts as written."""
        lines, self._unwritten, self.home = self._unwritten, deque(), None
        number, now, chunks = self.number - len(lines), time.monotonic(), []
        for step, group in groupby(lines, itemgetter(0)):
            told = [(round(now - at, 6), level, message) for _, at, level, message in group]
            number += len(told)
            text = json.dumps(told, ensure_ascii=False)
            first = self.number - len(self._sizes) + 1
            chunks.append(Chunk(self.job_id, self.attempt, step, number, len(told), first, text))
        return chunks


@lru_cache(100)
def _level(name: str) -> str:
    return jsontext.clean_text(name[:LEVEL_CHARACTERS])


class _Home:
    """The lines of this process that wait to be written, and the thread that does it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._waiting: deque[Lines] = deque()
        self._chunks: list[Chunk] = []
        self._there = threading.Event()
        self._writing = threading.Lock()
        self._thread: threading.Thread | None = None

    def wanted(self, lines: Lines) -> None:
        """Have them written. To be called under `lock`, and once until they are taken."""
        lines.home = self
        self._waiting.append(lines)
        self._there.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="step-logs", daemon=True)
            self._thread.start()

    def write(self, *, seconds: float = 5.0) -> bool:
        """Write a statement's worth; gives whether there is more. Raises `Unavailable`."""
        with self._writing:
            # What was not answered is repeated as it was: then it is there once.
            self._chunks = self._chunks or self._taken()
            if self._chunks:
                self._there.set()  # until it is done
                with pools.working(seconds=seconds) as connection:
                    logs.add(connection, self._chunks)
                self._chunks = []
        with self.lock:
            if not self._waiting:
                self._there.clear()
            return bool(self._waiting)

    def _taken(self) -> list[Chunk]:
        taken: list[Chunk] = []
        size = 0
        with self.lock:
            while self._waiting and size < STATEMENT_BYTES:
                chunks = self._waiting.popleft().take()
                taken += chunks
                size += sum(len(each.lines) for each in chunks)
        return taken

    def _run(self) -> None:
        while True:
            self._there.wait()
            time.sleep(WRITE_SECONDS)
            try:
                self.write()
            except Unavailable as error:
                logger.warning("What steps have logged could not be written yet: %s", error)
            except Exception:
                logger.exception("What steps have logged could not be written.")
                self._chunks = []


_home = _Home()
_open: ContextVar[tuple[Lines, int] | None] = ContextVar("step_lines", default=None)


def _begin_anew() -> None:
    global _home  # noqa: PLW0603  (its thread is not in this process)
    _home = _Home()


register_at_fork(after_in_child=_begin_anew)


class _Keeper(logging.Handler):
    """Keeps what is logged where a step runs."""

    def handle(self, record: logging.LogRecord) -> bool:
        """As ever, without a lock: there is one for the lines."""
        self.emit(record)
        return True

    def emit(self, record: logging.LogRecord) -> None:
        found = _open.get()
        if found is None or record.name == OWN:
            return
        lines, step = found
        try:
            text = record.getMessage()
            if record.exc_info and record.exc_info[0] is not None:
                text += "\n" + "".join(traceback.format_exception(*record.exc_info)).rstrip()
            lines.add(step, record.levelname, text)
        except Exception:  # noqa: BLE001  (as all handlers do: arguments are anybody's objects)
            self.handleError(record)


_keeper = _Keeper()


@contextmanager
def kept(lines: Lines, step: int) -> Iterator[None]:
    """A block in which what is logged is kept as that of a step; threads that it starts are on their own."""
    root = logging.getLogger()
    if _keeper not in root.handlers:
        root.addHandler(_keeper)
    token = _open.set((lines, step))
    try:
        yield
    finally:
        _open.reset(token)


def log(lines: Lines, step: int, level: int, text: str) -> None:
    """Keep a line, and let it stand in the worker's log as well. Raises `ValueError` for a level that is none."""
    given: Any = level
    if isinstance(given, bool) or not isinstance(given, int):
        raise ValueError(f"context.log takes a level of logging, as in logging.WARNING; {given!r:.100} is none.")
    message = lines.add(step, logging.getLevelName(level), text)
    if _step_logger.isEnabledFor(level):
        # Where it was called from would always be here, and costs as much to find as to keep the line.
        _step_logger.handle(_step_logger.makeRecord(OWN, level, __file__, 0, message, (), None))


def write_rest(*, seconds: float) -> None:
    """Write what waits, when the process is about to end. Raises `Unavailable`."""
    until = time.monotonic() + seconds
    while _home.write(seconds=seconds) and time.monotonic() < until:
        pass


def read(found: Sequence[logs.Kept], *, after: int, limit: int) -> list[logs.Line]:
    """At most `limit` lines of these chunks behind that id; where older ones of an attempt are gone, one says so."""
    lines: list[logs.Line] = []
    for chunk in found:
        number = chunk.last - chunk.length
        if chunk.last - chunk.length + 1 == chunk.oldest > 1 and logs.line_id(chunk.attempt, number) > after:
            text = f"[{number:,} earlier lines of this attempt are left out]"
            lines.append(logs.Line(chunk.attempt, number, chunk.at, "WARNING", text, chunk.step))
        for at, level, message in chunk.told():
            number += 1
            if logs.line_id(chunk.attempt, number) > after:
                lines.append(logs.Line(chunk.attempt, number, at, level, message, chunk.step))
    return lines[:limit]
