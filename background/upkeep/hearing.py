"""Hears of jobs that were made in somebody else's transaction, and of changed schedules: PostgreSQL tells when that is
committed.

Jobs that nobody has heard of are found by the next pass: while there is no connection, or where a pooler is between,
which passes nothing on.
"""

import select
from collections import Counter
from collections.abc import Callable

from background.base.queue_names import QUEUE
from background.jobs import dispatch
from background.jobs.sql import control
from background.schedules import sql as schedules
from background.storage import database, deadlines
from background.storage.connections import driver_of, drop, translated
from background.upkeep.scheduling import changes

LOOK_SECONDS = 1.0
"""How soon the end of the worker is noticed."""
REST_SECONDS = 0.02
"""Those that come meanwhile are one wake-up."""


def hear(wait: Callable[[float], bool]) -> None:
    """Wake workers for what is committed, until `wait` says to stop. Raises `Unavailable` without a connection."""
    connection = database.listen(schedules.CHANGED, control.ENQUEUED, seconds=deadlines.ANSWER_SECONDS)
    if connection is None:
        while not wait(LOOK_SECONDS):
            pass
        return
    driver = driver_of(connection)
    changes.are_heard = True
    # There may have been one before.
    changes.tell()
    try:
        while not wait(REST_SECONDS):
            if not select.select([driver], [], [], LOOK_SECONDS)[0]:
                continue
            with translated():
                driver.poll()
            heard = Counter((each.channel, each.payload) for each in driver.notifies)
            driver.notifies.clear()
            for (channel, told), number in heard.items():
                if channel == control.ENQUEUED:
                    dispatch.wake_heard(number, queue=told or QUEUE)
                else:
                    changes.tell()
    finally:
        changes.are_heard = False
        drop(connection)
