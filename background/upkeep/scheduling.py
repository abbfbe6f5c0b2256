"""Makes the jobs of schedules when they are due. Every worker watches; PostgreSQL lets one of them have each.

It sleeps until the next due time, and is told when somebody changes a schedule, so that nothing is asked meanwhile.
"""

import threading
from collections.abc import Callable
from functools import cache

from background.schedules import declared, firing

LOOK_SECONDS = 0.5
"""How soon the end of the worker is noticed."""
REST_SECONDS = 0.05
"""Before the next look at one that is due, and that another worker holds."""
HEARING_SECONDS, DEAF_SECONDS = 60.0, 2.0
"""Until the next look where nothing is due before: a worker that hears of changes, and one that does not."""


class Changes:
    """What is heard of changes of schedules."""

    def __init__(self) -> None:
        self.are_heard = False
        self._event = threading.Event()

    def tell(self) -> None:
        """There was a change, or there may have been."""
        self._event.set()

    def wait(self, seconds: float, *, stopped: Callable[[float], bool]) -> bool:
        """Wait so many seconds, or until the next change; gives whether to stop."""
        while seconds > 0 and not self._event.wait(min(seconds, LOOK_SECONDS)):
            seconds -= LOOK_SECONDS
            if stopped(0):
                return True
        self._event.clear()
        return stopped(0)


changes = Changes()


@cache
def _keep_in_step() -> None:
    """Once in the life of a worker."""
    declared.keep_in_step()


def watch(wait: Callable[[float], bool]) -> None:
    """Make what is due, until `wait` says to stop. Raises `Unavailable`."""
    _keep_in_step()
    while True:
        seconds = firing.seconds_until_due()
        if seconds is not None and seconds <= 0 and firing.fire():
            continue
        at_most = HEARING_SECONDS if changes.are_heard else DEAF_SECONDS
        if changes.wait(at_most if seconds is None else min(max(seconds, REST_SECONDS), at_most), stopped=wait):
            return
