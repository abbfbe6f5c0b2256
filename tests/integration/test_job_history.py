"""What ended over time: of the jobs themselves, and added up, which a chart cannot tell apart."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import Connection, text

from background.jobs import history, service
from background.jobs.filters import JobFilter
from background.jobs.history import Range
from background.jobs.schemas import Minute
from background.jobs.sql import history as statements
from background.upkeep.history import REST_SECONDS, add_up
from tests.integration.test_job_plans import rows_read
from tests.support import transaction

pytestmark = pytest.mark.usefixtures("postgres")
KINDS = (range(7), range(7, 9), range(9, 10))
# One every so many minutes, the newest one just now: of ten, seven are done, two have failed and one was cancelled
# before it began.
MAKE = text("""
INSERT INTO jobs (task_id, pipeline, step_names, params, max_attempts, status, attempt, current_step, worker, run_at,
    created_at, started_at, finished_at, running_seconds)
SELECT gen_random_uuid(), CASE WHEN n % 4 = 0 THEN 'rare' ELSE 'usual' END, '{one}', '{}', 3,
    CASE WHEN n % 10 < 7 THEN 'COMPLETED' WHEN n % 10 < 9 THEN 'FAILED' ELSE 'CANCELLED' END, 1, 1, 'celery@one',
    ended - interval '30 s', ended - interval '40 s', CASE WHEN n % 10 < 9 THEN ended - interval '20 s' END, ended,
    CASE WHEN n % 10 < 9 THEN 1 + n % 20 END
FROM (SELECT n, now() - n * :minutes * interval '1 minute' AS ended FROM generate_series(0, :number - 1) AS n) AS made
""")


@pytest.fixture(autouse=True)
def _nothing_ended() -> Iterator[None]:
    yield
    forget()


def forget() -> None:
    """Neither jobs nor sums."""
    with transaction() as connection:
        connection.execute(text("TRUNCATE job_history"))
        connection.execute(text("DELETE FROM jobs"))


def make(number: int, *, minutes: float) -> None:
    """So many jobs that have ended, nothing else."""
    forget()
    with transaction() as connection:
        connection.execute(MAKE, {"number": number, "minutes": minutes})


def series(range_: Range, pipeline: str | None = None) -> list[Minute]:
    """As `GET /jobs/stats` has it."""
    return service.get_statistics(range_, pipeline=pipeline).series


def sums(found: list[Minute]) -> tuple[int, int, int]:
    """How many have completed, failed, and were cancelled."""
    return sum(each.completed for each in found), sum(each.failed for each in found), sum(e.cancelled for e in found)


def all_added_up() -> int:
    """Add up all there is; gives how many rows of sums there are."""
    add_up(lambda _: False)
    with transaction() as connection:
        return int(connection.execute(text("SELECT count(*) FROM job_history")).scalar_one())


def test_the_last_hour_is_of_the_jobs_themselves() -> None:
    make(50, minutes=1)
    found = series(Range.HOUR)
    assert sums(found) == (35, 10, 5)
    assert sum(each.submitted or 0 for each in found) == 50
    assert sums(series(Range.HOUR, "rare")) == tuple(sum(n % 10 in kind for n in range(0, 50, 4)) for kind in KINDS)
    some = next(each for each in found if each.running)
    assert some.waiting is not None
    assert some.waiting.p99 == pytest.approx(10)
    assert some.mean_waiting_seconds == pytest.approx(10)
    never_began = next(each for each in found if each.cancelled)
    assert (never_began.waiting, never_began.running, never_began.mean_running_seconds) == (None, None, None)


def test_a_day_and_a_week_are_added_up_and_do_not_change_when_the_jobs_go() -> None:
    make(7 * 48, minutes=30)
    assert all_added_up() > 0
    week = series(Range.WEEK)
    assert sum(sums(week)) in range(7 * 48 - 4, 7 * 48 + 1)
    assert all(each.submitted is None for each in week)
    # Of a pipeline, and of the others: together that is all.
    one, other, all_of_day = (series(Range.DAY, pipeline) for pipeline in ("rare", "usual", None))
    assert tuple(map(sum, zip(sums(one), sums(other), strict=True))) == sums(all_of_day)
    assert sum(sums(all_of_day)) in range(46, 49)
    with transaction() as connection:
        connection.execute(text("DELETE FROM jobs WHERE finished_at < now() - interval '1 hour'"))
    assert series(Range.WEEK) == week


def test_nothing_is_counted_twice_however_often_it_is_added_up() -> None:
    make(100, minutes=5)
    rows = all_added_up()
    before = series(Range.DAY)
    assert all_added_up() == rows
    assert series(Range.DAY) == before
    assert sum(sums(before)) == 100


def test_what_ended_just_now_is_there_before_it_is_added_up() -> None:
    make(3, minutes=0.1)
    assert all_added_up() == 0
    assert sum(sums(series(Range.DAY))) == sum(sums(series(Range.WEEK))) == 3


def test_units_wait_until_nothing_can_end_in_them_and_old_ones_are_forgotten() -> None:
    make(1, minutes=1)
    with transaction() as connection:
        over = statements.UNIT + statements.SETTLED
        connection.execute(text("UPDATE jobs SET finished_at = now() - :over"), {"over": over + timedelta(seconds=1)})
        connection.execute(
            text("INSERT INTO job_history VALUES (now() - :kept - interval '1 s', 'old', 'FAILED', 0, 1, 0)"),
            {"kept": statements.KEPT},
        )
        assert statements.add_up(connection)
        assert not statements.add_up(connection)
        kept = connection.execute(text("SELECT DISTINCT pipeline FROM job_history")).scalars().all()
    assert kept == ["rare"]


def test_a_week_of_many_jobs_reads_those_of_the_last_hour_alone() -> None:
    make(20_000, minutes=0.5)
    all_added_up()
    with transaction() as connection:
        connection.exec_driver_sql("ANALYZE jobs")
        connection.exec_driver_sql("ANALYZE job_history")
        clock = statements.clock(connection)
        begin = history.starts(Range.WEEK, clock.now)[0]
        read = plan_of(connection, clock, begin=begin)
    assert 0 < max(rows for name, rows in read if name == "ix_jobs_finished_at") <= 200, read


def test_what_a_worker_had_is_found_by_its_name() -> None:
    make(10, minutes=1)
    with transaction() as connection:
        connection.execute(text("UPDATE jobs SET worker = 'celery@two' WHERE id % 2 = 0"))

    def found(worker: str, *, before: int | None = None) -> list[int]:
        jobs = service.find_jobs(JobFilter(worker=worker, before=before), limit=100)
        return [job.id for job in jobs]

    one, two = found("celery@one"), found("celery@two")
    assert len(one) == len(two) == 5
    assert one == sorted(one, reverse=True)
    assert found("celery@one", before=one[1]) == one[2:]
    assert found("celery@nobody") == []


def plan_of(connection: Connection, clock: statements.Clock, **how: object) -> list[tuple[str, float]]:
    """How many rows each part of the statement of a week looks at."""
    bucket = history.BUCKETS[Range.WEEK][0]
    values = {
        "bucket": bucket,
        "pipeline": None,
        "until": clock.now + statements.UNIT,
        "width": statements.UNIT,
        "begin": clock.summed_until,
        "summed_from": how["begin"],
    }
    statement = text(f"EXPLAIN (ANALYZE, FORMAT JSON) {statements._FIND.text}")
    return list(rows_read(connection.execute(statement, values).scalar_one()[0]["Plan"]))


def test_a_worker_that_has_nothing_to_add_up_rests() -> None:
    """Each worker does this, and an idle one costs PostgreSQL two statements a second in all."""
    forget()
    rests: list[float] = []

    def rest(seconds: float) -> bool:
        rests.append(seconds)
        return False

    add_up(rest)
    assert rests == [REST_SECONDS]
    assert REST_SECONDS >= 30
