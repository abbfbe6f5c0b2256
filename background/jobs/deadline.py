"""How long a step may take, kept in the process that runs it.

In a main thread (prefork, solo) a timer interrupts it wherever Python code runs. Another thread (threads pool)
cannot be interrupted: there `check` tells, whenever the step reports or looks. What neither can stop, the
worker's `recovery` ends from outside.
"""

import signal
import threading
import time
from types import FrameType, TracebackType
from typing import Self

from background.jobs.pipeline import TimedOut


class Deadline:
    """Within this block `TimedOut` is raised after `seconds`. Uses `SIGALRM` in a main thread; do not nest."""

    def __init__(self, seconds: float, *, what: str) -> None:
        self._message = f"{what} took longer than the {seconds:g} s it may take."
        self._seconds = seconds
        self._until = time.monotonic() + seconds
        self._has_timer = threading.current_thread() is threading.main_thread()

    def __enter__(self) -> Self:
        """Start the timer."""
        if self._has_timer:
            signal.signal(signal.SIGALRM, self._on_alarm)
            signal.setitimer(signal.ITIMER_REAL, self._seconds)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the timer."""
        if self._has_timer:
            signal.setitimer(signal.ITIMER_REAL, 0)

    def check(self) -> None:
        """Raise `TimedOut` when the time is over."""
        if time.monotonic() >= self._until:
            raise TimedOut(self._message)

    def _on_alarm(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        raise TimedOut(self._message)
