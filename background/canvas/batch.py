"""Successes that nothing waits for are written together: a statement for each would hold up every task.

What a process has not written yet when it dies stands in Celery's result backend, from where `recovery` and a second
delivery of the message take it.
"""

import os
import threading
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

GATHER_SECONDS = 0.05


class Success(NamedTuple):
    """A task that has succeeded: its id, its result as JSON text, and when (`time.monotonic`)."""

    task_id: str
    result: str
    at: float


class Batch:
    """Gathers successes for `GATHER_SECONDS` and has them written by a thread of its own.

    `write` gets them, and must not raise. Whoever ends the process calls `flush` before.
    """

    def __init__(self, write: Callable[[Sequence[Success]], None]) -> None:
        self._write = write
        self._reset()
        os.register_at_fork(after_in_child=self._reset)

    def _reset(self) -> None:
        self._waiting: list[Success] = []
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._filled = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, task_id: str, result: str) -> None:
        """This task has succeeded just now; `result` is JSON text."""
        with self._lock:
            self._waiting.append(Success(task_id, result, time.monotonic()))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="successes", daemon=True)
                self._thread.start()
        self._filled.set()

    def flush(self) -> None:
        """Write what waits; when it returns, nothing that was added before is still to be written."""
        with self._writing:
            with self._lock:
                taken, self._waiting = self._waiting, []
            if taken:
                self._write(taken)

    def _run(self) -> None:
        while True:
            self._filled.wait()
            time.sleep(GATHER_SECONDS)
            self._filled.clear()
            self.flush()
