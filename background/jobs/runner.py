"""Runs jobs, one after the other, and their steps. Needs no Celery: `work` can be called from any process.

No step runs inside a transaction. Between steps there is one statement, which ends the one and begins the next; and
between jobs, too.
"""

import logging
from collections.abc import Callable, Mapping

from background.base import log_context
from background.jobs.attempt import Attempt
from background.jobs.settling import settle
from background.jobs.slots import Slot

logger = logging.getLogger(__name__)


def work(slot: Slot, *, first: Callable[[str], object] = lambda _: None) -> Mapping[str, int]:
    """Run jobs in this slot, one after the other, until none is due, or its turn is over.

    Gives how many wait in each queue. `first` is called when it has its first job, for each queue in which others wait.
    """
    attempt = slot.claim(peek=True)
    for queue in [queue for queue, number in slot.more.items() if number] if attempt is not None else []:
        first(queue)
    while attempt is not None:
        with log_context.bound(**attempt.log_ids):
            attempt = _run(attempt, slot)
    return slot.more


def _run(attempt: Attempt, slot: Slot) -> Attempt | None:
    """Run the steps of this attempt; gives the next one."""
    logger.info("Job %s attempt %s begins at step %s.", attempt.job_id, attempt.number, attempt.step)
    try:
        goes_on, following = True, None
        while goes_on:
            if attempt.is_async and slot.leave_to_crew(attempt):
                return slot.after_all(attempt)
            goes_on, following = slot.end(attempt, attempt.run_step())
    except BaseException as error:  # noqa: BLE001  (whatever a step raises is its failure, `sys.exit()` too)
        settle(attempt, error, slot.stopped)
        return slot.after_all(attempt)
    return following
