"""Makes the jobs of due times: in the transaction that moves a schedule on, so that each due time makes one.

Whoever dies in it has done nothing, and another worker takes the schedule; what is committed is done.
"""

import logging
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import psycopg2
import psycopg2.errors
from sqlalchemy import Connection

from background.base.times import Times, Unusable
from background.jobs import registry
from background.jobs.creation import store_all, wake_for
from background.jobs.new_job import as_checked
from background.jobs.schedule import Schedule
from background.jobs.sql import control
from background.schedules import sql
from background.storage import pools

logger = logging.getLogger(__name__)

AT_ONCE = 10
"""How many schedules one transaction holds; others take the next meanwhile."""
MOST = 100
"""How many missed times `catch_up` makes up for."""
LATE = timedelta(seconds=2)
"""What is no longer ago is late, and not missed: the machine was busy, or the worker died that was at it."""
LOCK_SECONDS = 0.05
"""How long the schedules that are held wait for somebody's transaction, each: all of them less than the transaction."""


def seconds_until_due() -> float | None:
    """Until the first due time of which this process may make a job, `None` where there is none.

    Raises `Unavailable`.
    """
    with pools.working() as connection:
        return sql.seconds_until_due(connection, pipelines=registry.pipelines())


class Ready(NamedTuple):
    """The jobs of a schedule that is due, made before its transaction: what is drawn anew may take its time."""

    row: sql.Row
    jobs: list[dict[str, Any]]

    def fits(self, row: sql.Row) -> bool:
        """Whether the schedule is as it was."""
        return (row.job, row.next_at) == (self.row.job, self.row.next_at)


def fire() -> int:
    """Make the jobs of what is due; gives of how many schedules. Raises `Unavailable`.

    One that has to wait for somebody's transaction is passed over, so that those behind it have their turn.
    """
    fired = 0
    waiting: list[int] = []
    ready: dict[int, Ready] = {}
    while True:
        since = time.monotonic()
        with pools.working.transaction(lock_seconds=LOCK_SECONDS) as connection:
            due = sql.take_due(connection, pipelines=registry.pipelines(), but=waiting, limit=AT_ONCE)
            bare = [row for row in due if row.job.get("drawn") and not (row.id in ready and ready[row.id].fits(row))]
            able = [row for row in due if row not in bare]
            made = {row.id: _fire(connection, row, ready.get(row.id)) for row in able}
        wake_for([job for jobs in made.values() if jobs for job in jobs], since=since)
        held = [schedule_id for schedule_id, jobs in made.items() if jobs is None]
        fired += len(made) - len(held)
        if len(due) < AT_ONCE and not bare:
            return fired
        ready = {row.id: Ready(row, jobs_of(row, len(_due(row)[0]))) for row in bare}
        waiting += held


def times_of(row: sql.Row) -> Times:
    """What tells the due times of a schedule. Raises `Unusable`: another release, or another machine, stored it."""
    return Schedule(row.cron, row.every_seconds, row.timezone).times(anchor=row.anchor)


def due_times(times: Times, *, first: datetime, now: datetime, catch_up: bool) -> list[datetime]:
    """The due times from the `first` to `now` for which there are to be jobs."""
    if not catch_up and now - first > LATE:
        return [now]
    found: list[datetime] = []
    due: datetime | None = first
    while due is not None and due <= now and len(found) < MOST:
        found.append(due)
        due = times.after(due)
    return found


def jobs_of(row: sql.Row, number: int) -> list[dict[str, Any]]:
    """So many jobs of a schedule, as this release makes them."""
    return [as_checked(row.job) for _ in range(number)]


def _due(row: sql.Row) -> tuple[list[datetime], datetime | None, str | None]:
    """When jobs of a schedule are due, when it is due next, and what is wrong with its times."""
    first = row.next_at or row.now
    try:
        times = times_of(row)
        return due_times(times, first=first, now=row.now, catch_up=row.catch_up), times.after(row.now), None
    except Unusable as unusable:
        return [first], None, str(unusable)


def _fire(connection: Connection, row: sql.Row, ready: Ready | None) -> list[control.Stored] | None:
    """Store the jobs of a held schedule that is due, and move it on; `None`: it has to wait for somebody.

    Where more has become due than is `ready`, that is left to the next look.
    """
    due, next_at, error = _due(row)
    jobs = ready.jobs if ready else jobs_of(row, len(due))
    if len(jobs) < len(due):
        due, next_at = due[: len(jobs)], due[len(jobs)]
    made: list[control.Stored] = []
    connection.exec_driver_sql("SAVEPOINT fired")
    try:
        made = create(connection, row, due, jobs)
    except (psycopg2.DataError, psycopg2.IntegrityError) as refused:
        connection.exec_driver_sql("ROLLBACK TO SAVEPOINT fired")
        error = str(refused).partition("\n")[0]
    except psycopg2.errors.LockNotAvailable:
        # Somebody's own transaction has the unique key of the job: others must not wait for its end.
        connection.exec_driver_sql("ROLLBACK TO SAVEPOINT fired")
        logger.info("Schedule %s waits for a transaction that has the unique key of its job.", row.name)
        return None
    if error:
        logger.error("Schedule %s: %s", row.name, error)
    sql.move(connection, row.id, next_at=next_at, job_id=made[-1].id if made else None, error=error)
    return made


def create(
    connection: Connection,
    row: sql.Row,
    due: Sequence[datetime],
    jobs: Sequence[dict[str, Any]],
    *,
    actor: str | None = None,
) -> list[control.Stored]:
    """Store these `jobs_of` a schedule, each due since its time, which is not in the future."""
    timed = [
        {**job, "schedule_id": row.id, "delay_seconds": (each - row.now).total_seconds()}
        for job, each in zip(jobs, due, strict=False)
    ]
    return store_all(connection, timed, actor=actor)
