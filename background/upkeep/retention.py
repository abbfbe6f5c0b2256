"""Deletes what is past its retention, one small batch after the other, so that nobody is disturbed."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from background.documents import service as documents
from background.jobs import admission
from background.jobs.pipeline import step_key
from background.settings import get_settings
from background.storage import database
from background.storage.locks import Lock, try_lock
from background.task_names import TaskName
from background.upkeep.sql import retention

BATCH_SECONDS = 0.05
"""Seconds that a batch should take; batches grow and shrink to that."""
SMALLEST, LARGEST = 10, 500
EVENTS = 5_000
AGAIN_SECONDS = 600.0
"""Seconds until it begins at the oldest again, when nothing is left: somebody may have held one at its turn."""
REPORTERS = [TaskName.REPORT.value, TaskName.MERGE.value]


@dataclass
class _Walk:
    """How far one process has come, from the oldest on, and how much it takes at a time."""

    table: str
    place: Any = None
    limit: int = SMALLEST
    begun_at: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        self.place, self.begun_at = retention.START[self.table], time.monotonic()

    def batch(self, days: float) -> int:
        begun = time.monotonic()
        with database.transaction() as connection:
            if not (retention.has(connection, self.table) and try_lock(connection, Lock.RETENTION)):
                return 0
            found = self._find(connection, days)
            ids = [row.id for row in found]
            if self.table == "jobs":
                reports = [step_key(row.id, number) for row in found for number in range(1, row.keys + 1)]
            else:
                reports = [*retention.writers(connection, ids, tasks=REPORTERS)]
            # Before their rows: nothing would know of them any more if this process died in between.
            documents.delete_reports(documents.get_store(), reports)
            if self.table == "jobs" and ids:
                admission.keep_begun(connection, ids)
            gone = bool(ids) and retention.delete(connection, self.table, ids, rows=EVENTS)
        if ids:
            self._measure(time.monotonic() - begun)
        if gone:
            self.place = found[-1].place
        elif not ids and time.monotonic() - self.begun_at > AGAIN_SECONDS:
            self.begin()
        return len(ids) if gone else 0

    def _find(self, connection: Connection, days: float) -> Sequence[retention.Old]:
        while found := retention.past(connection, self.table, days=days, place=self.place, limit=self.limit):
            if past := [row for row in found if row.past]:
                return past
            self.place = found[-1].place
        return ()

    def _measure(self, seconds: float) -> None:
        if seconds > BATCH_SECONDS:
            self.limit = max(SMALLEST, self.limit // 2)
        elif seconds < BATCH_SECONDS / 2:
            self.limit = min(LARGEST, 2 * self.limit)


class Retention:
    """Deletes what is past `RETENTION_DAYS`: jobs with steps and events, runs with tasks and events, and reports."""

    def __init__(self) -> None:
        self._walks = [_Walk("jobs"), _Walk("runs")]

    def forget(self) -> int:
        """Delete a batch of jobs and one of runs; gives how many went. Raises `Unavailable`.

        Nothing is done where no retention is set, or while another process is at it.
        """
        days = get_settings().retention_days
        return 0 if days is None else sum(walk.batch(days) for walk in self._walks)

    def work_off(self, rest: Callable[[float], bool]) -> int:
        """Batch after batch until nothing is left; gives how many jobs and runs went. Raises `Unavailable`.

        Three quarters of the time it rests: `rest` waits so many seconds, and says whether to stop.
        """
        total = 0
        while True:
            begun = time.monotonic()
            gone = self.forget()
            total += gone
            if not gone or rest(3 * (time.monotonic() - begun)):
                return total
