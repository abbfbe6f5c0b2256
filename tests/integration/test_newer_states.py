"""Of two states of a job or a run the later `updated_at` is that of the newer, whichever transaction began first."""

from collections.abc import Callable
from datetime import datetime

import pytest
from sqlalchemy import Connection, text

from background.canvas.spec import group, task
from background.canvas.sql import reads, runs, tasks
from background.jobs.sql import control
from background.task_names import TaskName
from tests.support import record_only, transaction

pytestmark = pytest.mark.usefixtures("postgres")
MAKE = text("""
INSERT INTO jobs (task_id, pipeline, step_names, params, max_attempts, status)
VALUES (gen_random_uuid(), 'demo', '{one}', '{}', 3, 'PENDING') RETURNING id
""")


def interleaved(
    earlier: Callable[[Connection], object],
    later: Callable[[Connection], object],
    changed_at: Callable[[Connection], datetime],
) -> tuple[datetime, datetime]:
    """When `later` has changed something, and when `earlier` has, whose transaction began first and was held up."""
    with transaction() as first:
        first.execute(text("SELECT now()"))
        with transaction() as second:
            later(second)
        with transaction() as reader:
            before = changed_at(reader)
        earlier(first)
    with transaction() as reader:
        return before, changed_at(reader)


def test_of_a_job() -> None:
    with transaction() as connection:
        job_id: int = connection.execute(MAKE).scalar_one()
    before, after = interleaved(
        lambda first: control.retry(
            first, [job_id], from_step=None, params=None, limit_keys={}, limited=(), actor=None
        ),
        lambda second: control.cancel(second, [job_id], actor=None),
        lambda reader: reader.execute(text("SELECT updated_at FROM jobs WHERE id = :id"), {"id": job_id}).scalar_one(),
    )
    assert before < after
    with transaction() as connection:
        connection.execute(text("DELETE FROM jobs WHERE id = :id"), {"id": job_id})


def test_of_a_run() -> None:
    """As where one worker judges a run while another still writes what has ended of it."""
    run, one, _ = record_only(group([task(TaskName.ADD, 1, 2), task(TaskName.ADD, 3, 4)]))

    def number(connection: Connection) -> int:
        found: int = connection.execute(text("SELECT id FROM runs WHERE task_id = :id"), {"id": run}).scalar_one()
        return found

    def changed_at(connection: Connection) -> datetime:
        found = reads.get(connection, run, patience=60)
        assert found is not None
        return found.updated_at

    before, after = interleaved(
        lambda first: runs.tell(first, number(first), "ended", status="FAILURE"),
        lambda second: tasks.started(second, task_id=one, worker="celery@one", worker_id=run),
        changed_at,
    )
    assert before < after
