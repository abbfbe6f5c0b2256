"""Changes of tasks that nothing waits for are written together: a statement for each would hold up every task.

A success that a process has not written yet when it dies stands in Celery's result backend, from where `sweeping` and
a second delivery of the message take it.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from background.canvas.sql.tasks import Sent

logger = logging.getLogger(__name__)

GATHER_SECONDS = 0.05
"""How long changes are gathered at most, where one follows the other."""
PATIENCE_SECONDS = 0.02
"""Seconds that a change which can wait does wait at most."""
REST = 4
"""A change within so many times the duration of the last write is gathered: tasks come too fast for one each."""


class Change(NamedTuple):
    """A task has `started`, ended in `success` with a result (JSON text), or is `closed`; `at` by `time.monotonic`.

    A success `is_open` where Celery has yet to call what follows. `sent` has what the task has sent, or Celery for it,
    by id.
    """

    task_id: str
    kind: str
    result: str | None
    sent: Mapping[str, Sent]
    at: float
    is_open: bool = False


class Batch:
    """Has changes written by a thread of its own: an end at once, but together with others where it follows a write.

    A start waits for the task's end, up to `PATIENCE_SECONDS`: its row says so already. `write` gets the changes, and
    must not raise. Whoever ends the process calls `flush` before.
    """

    def __init__(self, write: Callable[[Sequence[Change]], None]) -> None:
        self._write = write
        self._reset()
        os.register_at_fork(after_in_child=self._reset)

    def _reset(self) -> None:
        self._waiting: list[Change] = []
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._filled = threading.Event()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def add(
        self,
        task_id: str,
        kind: str,
        *,
        result: str | None = None,
        sent: Mapping[str, Sent] | None = None,
        is_open: bool = False,
        can_wait: bool = False,
    ) -> None:
        """Have a change of the task written soon, which has just happened."""
        with self._lock:
            self._waiting.append(Change(task_id, kind, result, sent or {}, time.monotonic(), is_open))
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="changes", daemon=True)
                thread.start()
                self._thread = thread
        self._filled.set()
        if not can_wait:
            self._ended.set()

    def write(self) -> None:
        """Write what waits, but for what is closed, since something waits for it: it is written when this returns."""
        with self._writing:
            with self._lock:
                taken = [each for each in self._waiting if each.kind != "closed"]
                self._waiting = [each for each in self._waiting if each.kind == "closed"]
            if taken:
                self._write(taken)

    def flush(self) -> None:
        """Write what waits; when it returns, nothing that was added before is still to be written."""
        with self._writing:
            with self._lock:
                taken, self._waiting = self._waiting, []
            if taken:
                self._write(taken)

    def _run(self) -> None:
        rest = 0.0
        written = time.monotonic()
        while True:
            self._filled.wait()
            self._ended.wait(PATIENCE_SECONDS)
            if time.monotonic() - written < rest:
                self._gather(rest)
            self._filled.clear()
            self._ended.clear()
            begun = time.monotonic()
            try:
                self.flush()
            except Exception:  # the thread must live as long as its process
                logger.exception("Changes could not be written")
            written = time.monotonic()
            rest = REST * (written - begun)

    def _gather(self, rest: float) -> None:
        """Wait until nothing came for so long."""
        until = time.monotonic() + GATHER_SECONDS
        before = -1
        while len(self._waiting) != before and time.monotonic() < until:
            before = len(self._waiting)
            time.sleep(min(rest, GATHER_SECONDS))
