"""Changes of tasks that nothing waits for are written together: a statement for each would hold up every task.

What PostgreSQL does not take is tried again. A success that a process has not written yet when it dies stands in
Celery's result backend, from where `sweeping` and a second delivery of the message take it. An end of which Celery
keeps nothing stands in the broker, where PostgreSQL does not take it (`recording.secure`).
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from background.canvas.placing import Place
from background.canvas.sql.places import Sent

logger = logging.getLogger(__name__)

GATHER_SECONDS = 0.05
"""How long changes are gathered at most, where one follows the other."""
PATIENCE_SECONDS = 0.02
"""Seconds that a change which can wait does wait at most."""
REST = 4
"""A change within so many times the duration of the last write is gathered: tasks come too fast for one each."""
AGAIN_SECONDS = 0.5
"""So long after it could not be written it is tried again."""
MOST_LEFT = 1000
"""So many changes are kept for that; of older ones Celery's results have to tell."""


class Change(NamedTuple):
    """A task has `started`, `sent` others, ended in `success`, `failure` or `revoked`, or is `closed`.

    `begun` is a start of which it is unknown whether it was recorded, `found` that the task is at work, if it was taken
    for lost. `result` is that of a success, or the error (JSON text). An end `is_open` where Celery has yet to call
    what follows. `sent` has what the task has sent, or Celery for it, by id; `at` is by `time.monotonic`. The id under
    which it stands in the record is asked of its `place`, if it has one.
    """

    task_id: str
    kind: str
    result: str | None
    sent: Mapping[str, Sent]
    at: float
    is_open: bool = False
    worker: str | None = None
    retries: int = 0
    place: Place | None = None


class Batch:
    """Has changes written by a thread of its own: an end at once, but together with others where it follows a write.

    A start waits for the task's end, up to `PATIENCE_SECONDS`: its row says so already. `write` gets the changes, and
    gives those that could not be written; it must not raise. Whoever ends the process calls `flush` before.
    """

    def __init__(self, write: Callable[[Sequence[Change]], Sequence[Change]]) -> None:
        self._write = write
        self._reset()
        os.register_at_fork(after_in_child=self._reset)

    def _reset(self) -> None:
        self._waiting: list[Change] = []
        self._is_behind = False
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
        at: float | None = None,
        worker: str | None = None,
        retries: int = 0,
        place: Place | None = None,
        can_wait: bool = False,
    ) -> None:
        """Have a change of the task written soon, which has just happened, or at another time."""
        since = time.monotonic() if at is None else at
        change = Change(task_id, kind, result, sent or {}, since, is_open, worker, retries, place)
        with self._lock:
            self._waiting.append(change)
        self._wake()
        if not can_wait:
            self._ended.set()

    def write(self) -> bool:
        """Write what waits, but for what is closed, since something waits for it; gives whether it could be.

        While something is tried again it is left to that: tasks would wait for it one after the other.
        """
        if self._is_behind:
            return False
        with self._writing:
            with self._lock:
                taken = [each for each in self._waiting if each.kind != "closed"]
                self._waiting = [each for each in self._waiting if each.kind == "closed"]
            if taken:
                self._try(taken)
            return not self._is_behind

    def flush(self) -> None:
        """Write what waits; when it returns, what was added before is written, if it can be."""
        with self._writing:
            with self._lock:
                taken, self._waiting = self._waiting, []
            if taken:
                self._try(taken)

    def _try(self, changes: Sequence[Change]) -> None:
        left = self._write(changes)[-MOST_LEFT:]
        with self._lock:
            self._waiting = [*left, *self._waiting]
            self._is_behind = bool(left)
        if left:
            self._wake()

    def _wake(self) -> None:
        with self._lock:
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="changes", daemon=True)
                thread.start()
                self._thread = thread
        self._filled.set()

    def _run(self) -> None:
        rest = 0.0
        written = time.monotonic()
        while True:
            self._filled.wait()
            self._ended.wait(PATIENCE_SECONDS)
            if self._is_behind:
                time.sleep(AGAIN_SECONDS)
            elif time.monotonic() - written < rest:
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
