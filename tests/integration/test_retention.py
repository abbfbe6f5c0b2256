"""What is past `RETENTION_DAYS` goes, with all that belongs to it, and nothing else does."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from background.canvas.spec import chain, task
from background.documents.service import get_store
from background.settings import get_settings
from background.storage import connections
from background.storage.locks import Lock
from background.task_names import TaskName
from background.upkeep import retention
from background.upkeep.retention import Retention
from tests.integration.test_job_queries import claim, create, finish
from tests.support import record_only, transaction

pytestmark = pytest.mark.usefixtures("postgres")
DAYS = 30


@pytest.fixture(autouse=True)
def _days(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Thirty days, and nothing that others left that is past them."""
    with transaction() as connection:
        connection.execute(text("DELETE FROM runs"))
    monkeypatch.setenv("RETENTION_DAYS", str(DAYS))
    get_settings.cache_clear()
    yield
    monkeypatch.undo()
    get_settings.cache_clear()


def ended(*, days: float, events: int = 0) -> int:
    """A job that ended so long ago, with so many events more than usual."""
    with transaction() as connection:
        job_id = create(connection)
        claim(connection, job_id)
        for step in (1, 2, 3):
            finish(connection, job_id, attempt=1, step=step)
        values = {"id": job_id, "days": days, "events": events}
        connection.execute(
            text("UPDATE jobs SET finished_at = now() - :days * interval '1 day' WHERE id = :id"), values
        )
        connection.execute(
            text("""
                INSERT INTO job_events (job_id, number, kind, attempt)
                SELECT :id, 10 + number, 'lost', 1 FROM generate_series(1, :events) AS number
            """),
            values,
        )
    return job_id


def run_of(spec: Any, *, days: float) -> list[str]:
    """A run that ended so long ago; gives its id and those of its tasks."""
    ids = record_only(spec)
    with transaction() as connection:
        connection.execute(
            text("""
                UPDATE runs SET status = 'SUCCESS', created_at = now() - interval '1 year',
                    updated_at = now() - :days * interval '1 day'
                WHERE task_id = :id
            """),
            {"id": ids[0], "days": days},
        )
    return ids


def count(table: str, column: str, value: Any) -> int:
    """How many rows there are with this value."""
    with transaction() as connection:
        statement = text(f"SELECT count(*) FROM {table} WHERE {column} = :value")  # noqa: S608  (names of a test)
        return int(connection.execute(statement, {"value": value}).scalar_one())


def report_files(report_id: str) -> list[Path]:
    """The two files of a report, made here."""
    folder = get_store().root / "reports"
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{report_id}.{kind}" for kind in ("json", "md")]
    for file in files:
        file.write_text("a report")
    return files


def test_old_jobs_go_with_steps_events_and_reports() -> None:
    old, young = ended(days=DAYS + 1), ended(days=DAYS - 1)
    with transaction() as connection:
        waiting = create(connection)
        again = create(connection)
        claim(connection, again)
    files, kept = report_files(f"job-{old}-step-3"), report_files(f"job-{young}-step-3")
    assert Retention().forget() == 1
    for table, column in (("jobs", "id"), ("job_steps", "job_id"), ("job_events", "job_id")):
        assert count(table, column, old) == 0
        assert count(table, column, young) > 0
    assert [count("jobs", "id", job) for job in (waiting, again)] == [1, 1]
    assert not any(file.exists() for file in files)
    assert all(file.exists() for file in kept)


def test_runs_that_were_tried_again_lately_do_not_keep_others() -> None:
    kept = [run_of(task(TaskName.ECHO, 1), days=1)[0] for _ in range(25)]
    old = run_of(task(TaskName.ECHO, 1), days=40)[0]
    assert Retention().forget() == 1
    assert [count("runs", "task_id", each) for each in (*kept, old)] == [1] * 25 + [0]


def test_old_runs_go_with_tasks_events_and_reports() -> None:
    report = chain(task(TaskName.EXTRACT, "a"), task(TaskName.ANALYZE), task(TaskName.REPORT))
    old, young = run_of(report, days=DAYS + 1), run_of(report, days=DAYS - 1)
    open_one = record_only(report)
    files, kept = report_files(old[-1]), report_files(young[-1])
    assert Retention().forget() == 1
    assert [count("runs", "task_id", ids[0]) for ids in (old, young, open_one)] == [0, 1, 1]
    assert count("run_tasks", "id", old[-1]) == 0
    assert not any(file.exists() for file in files)
    assert all(file.exists() for file in kept)


def test_everything_goes_in_batches_and_a_long_history_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "EVENTS", 100)
    monkeypatch.setattr(retention, "LARGEST", 10)
    jobs = [ended(days=DAYS + 40 - number, events=450 if number == 7 else 0) for number in range(25)]
    at_work = Retention()
    passes = [at_work.forget() for _ in range(12)]
    assert sum(passes) == len(jobs)
    assert max(passes) == 10
    # The batch with the long history takes several passes, and what is older is gone by then.
    assert passes[0] == 0
    assert sum(count("jobs", "id", job) for job in jobs) == 0


def test_it_works_off_what_there_is_and_rests_in_between(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "LARGEST", 10)
    jobs = [ended(days=DAYS + 40 - number) for number in range(25)]
    rests: list[float] = []

    def rest(seconds: float) -> bool:
        rests.append(seconds)
        return False

    assert Retention().work_off(rest) == 25
    assert len(rests) == 3
    assert sum(count("jobs", "id", job) for job in jobs) == 0
    ended(days=DAYS + 2)
    assert Retention().work_off(lambda _: True) == 1


def test_what_somebody_holds_is_passed_over_and_found_later(monkeypatch: pytest.MonkeyPatch) -> None:
    held, old = ended(days=DAYS + 2), ended(days=DAYS + 1)
    at_work = Retention()
    with connections.get_engine().connect() as other:
        other.execute(text("SELECT FROM jobs WHERE id = :id FOR UPDATE"), {"id": held})
        assert at_work.forget() == 1
        other.rollback()
    assert [count("jobs", "id", job) for job in (held, old)] == [1, 0]
    monkeypatch.setattr(retention, "AGAIN_SECONDS", 0.0)
    assert [at_work.forget() for _ in range(2)] == [0, 1]
    assert count("jobs", "id", held) == 0


def test_one_at_a_time_and_nothing_without_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    old = ended(days=DAYS + 1)
    with connections.get_engine().connect() as other:
        other.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": Lock.RETENTION.value})
        assert Retention().forget() == 0
        other.rollback()
    monkeypatch.delenv("RETENTION_DAYS")
    get_settings.cache_clear()
    assert Retention().forget() == 0
    assert count("jobs", "id", old) == 1
    monkeypatch.setenv("RETENTION_DAYS", str(DAYS))
    get_settings.cache_clear()
    assert Retention().forget() == 1
