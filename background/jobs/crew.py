"""Attempts that are at an async step, and hold no slot while it waits.

Only where slots are threads: then one process runs all of them, and keeps their leases. A child of the prefork pool, or
the process of a solo one, is itself the slot, so that there an async step is waited for as any other.
"""

import logging
from collections.abc import Callable
from functools import partial

from background.base import log_context
from background.jobs import admission, event_loop
from background.jobs.attempt import Attempt
from background.jobs.settling import settle
from background.jobs.sql.work import End, Ended
from background.jobs.states import JobStatus

logger = logging.getLogger(__name__)

AT_ONCE = 1_000
"""How many attempts may be at async steps in a process at once, beside those that hold slots.

All of them are run again elsewhere when it dies, and one statement looks after them: neither may grow without end. Then
slots wait for their steps, and nothing more is claimed.
"""

_members: dict[Attempt, str] = {}
"""What runs so in this process, each with the message that woke the slot which has claimed it."""


def wake_ups() -> set[str]:
    """The messages that have woken the slots which have claimed what runs so in this process."""
    return set(_members.copy().values())


class Crew:
    """Takes the attempts of a process that hold no slot."""

    def __init__(
        self, end: Callable[[End], Ended | None], *, wake: Callable[[], object], stopped: Callable[[], bool]
    ) -> None:
        """`end` writes that a step has ended, `wake` wakes a slot, and `stopped` is as in `slots.Slot`."""
        self._end_step = end
        self._wake = wake
        self._stopped = stopped

    def join(self, attempt: Attempt, wake_up: str) -> bool:
        """Let an attempt go on here; gives whether there is room."""
        if len(_members) >= AT_ONCE:
            return False
        _members[attempt] = wake_up
        event_loop.start(attempt, self._carry(attempt))
        return True

    async def _carry(self, attempt: Attempt) -> None:
        try:
            goes_on = True
            while goes_on:
                log_context.bind(step=attempt.step)
                output = await attempt.run_async_step()
                goes_on = await event_loop.write(partial(self._end, attempt, output))
        except BaseException as error:  # noqa: BLE001  (whatever a step raises is its failure)
            await self._settle(attempt, error)
        finally:
            del _members[attempt]
            if attempt.lane is not None:
                await event_loop.write(partial(admission.admit, left=attempt.lane))

    async def _settle(self, attempt: Attempt, error: BaseException) -> None:
        try:
            await event_loop.write(partial(settle, attempt, error, self._stopped))
        except Exception:
            logger.exception("What has become of job %s could not be written.", attempt.job_id)

    def _end(self, attempt: Attempt, output: str) -> bool:
        """Write that the step has ended; gives whether there is another one for us. A plain one needs a slot."""
        ended = self._end_step(attempt.ended(output, yields=not attempt.goes_on_async))
        goes_on = attempt.go_on(ended)
        if not goes_on and ended is not None and ended.status == JobStatus.PENDING:
            self._wake()
        return goes_on
