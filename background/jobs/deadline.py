"""How long a step may take, kept in the process that runs it.

In a main thread (prefork, solo) a timer interrupts it wherever Python code runs. Another thread (threads pool)
cannot be interrupted: there `check` tells, whenever the step reports or looks. What neither can stop, the
worker's `upkeep.leases` ends from outside.
"""

import signal
import threading
import time
from types import FrameType, TracebackType
from typing import Any, Self

from background.jobs.pipeline import TimedOut

EARLY_SECONDS = 0.5
"""An alarm that comes earlier is somebody else's; clocks differ by less."""


class Deadline:
    """A block in which `TimedOut` is raised after `seconds`, and says that it is `late`.

    Uses `SIGALRM` in a main thread, and gives it back.
    """

    def __init__(self, seconds: float, *, late: str) -> None:
        self._late = late
        self._seconds = seconds
        self._until = time.monotonic() + seconds
        self._before: Any = None
        self._left = 0.0
        self._has_timer = threading.current_thread() is threading.main_thread()

    def __enter__(self) -> Self:
        """Start the timer."""
        if self._has_timer:
            self._before = signal.signal(signal.SIGALRM, self._on_alarm)
            self._left, _ = signal.setitimer(signal.ITIMER_REAL, self._seconds)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the timer."""
        if self._has_timer:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, self._before)
            if self._left:  # as of a test that has a limit of its own
                passed = time.monotonic() - (self._until - self._seconds)
                signal.setitimer(signal.ITIMER_REAL, max(self._left - passed, 0.001))

    def check(self) -> None:
        """Raise `TimedOut` when the time is over."""
        if time.monotonic() >= self._until:
            raise TimedOut(self._late)

    def _on_alarm(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        left = self._until - time.monotonic()
        if left > EARLY_SECONDS:
            # It has taken the place of ours.
            signal.setitimer(signal.ITIMER_REAL, left)
            raise RuntimeError("It was interrupted by an alarm (SIGALRM) that is not that of its time-out.")
        raise TimedOut(self._late)
