"""Jobs in the caller's own transaction: with it or not at all, by whatever driver, whoever dies."""

import asyncio
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from background.base.errors import Invalid, TooLarge, Unavailable
from background.base.queue_names import QUEUE
from background.broker import queues
from background.jobs import Params, Pipeline, StepContext, enqueue, registry
from background.pipelines import DemoParams, demo
from background.settings import get_settings
from background.storage import deadlines
from background.upkeep import hearing
from tests.support import ROOT, Process, nested, transaction, wait_for

pytestmark = pytest.mark.usefixtures("postgres", "valkey")
AT_ONCE = {"step_seconds": 0}
SHOP = """
import os, sys
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session
from background.jobs import enqueue
from background.settings import get_settings

engine = create_engine(get_settings().sqlalchemy_url)
for number in range(int(sys.argv[1]), int(sys.argv[2])):
    with Session(engine) as session:
        session.execute(text("INSERT INTO orders VALUES (:number)"), {"number": number})
        enqueue(session, "demo", {"step_seconds": 0, "fail_times": number})
        if number % 2:
            session.rollback()
        else:
            session.commit()
    print(number, flush=True)
"""


@pytest.fixture
def engine(postgres: Any) -> Iterator[Engine]:
    """The caller's own."""
    own = create_engine(get_settings().sqlalchemy_url)
    yield own
    own.dispose()


def stored(job_id: int) -> bool:
    """Whether others see it."""
    with transaction() as connection:
        return bool(connection.scalar(text("SELECT count(*) FROM jobs WHERE id = :id"), {"id": job_id}))


def test_a_job_is_there_with_the_commit_and_never_was_with_a_rollback(engine: Engine) -> None:
    with Session(engine) as session:
        kept = enqueue(session, "demo", AT_ONCE, priority=3, delay_seconds=3000, max_attempts=2)
        with session.begin_nested() as inner:
            undone = enqueue(session, demo, DemoParams(step_seconds=0))
            inner.rollback()
        assert not stored(kept.id)
        session.commit()
        lost = enqueue(session, "demo")
        session.rollback()
    with engine.connect() as connection:
        also = enqueue(connection, "demo", AT_ONCE, delay_seconds=3000)
        connection.commit()
    assert [stored(each.id) for each in (kept, undone, lost, also)] == [True, False, False, True]
    with transaction() as connection:
        columns = "task_id, priority, max_attempts, params->'step_seconds' AS seconds, run_at > now() AS later"
        row = connection.execute(text(f"SELECT {columns} FROM jobs WHERE id = {kept.id}")).one()  # noqa: S608
    assert tuple(row) == (kept.task_id, 3, 2, 0, True)


def test_an_asynchronous_session_and_connection(engine: Engine) -> None:
    async def order() -> list[int]:
        own = create_async_engine(get_settings().sqlalchemy_url.set(drivername="postgresql+asyncpg"))
        async with AsyncSession(own) as session:
            kept = await enqueue(session, "demo", AT_ONCE, delay_seconds=3000)
            await session.commit()
            lost = await enqueue(session, "demo", AT_ONCE)
            await session.rollback()
        async with own.begin() as connection:
            also = await enqueue(connection, "demo", AT_ONCE, delay_seconds=3000)
        await own.dispose()
        return [kept.id, lost.id, also.id]

    assert [stored(each) for each in asyncio.run(order())] == [True, False, True]


def test_whoever_commits_workers_are_woken_by_postgresql(engine: Engine) -> None:
    """Prepared by one process and committed by another, which knows nothing of jobs. No worker looks by itself here."""
    queues.empty(QUEUE)
    ending = threading.Event()
    ear = threading.Thread(target=hearing.hear, args=(ending.wait,))
    ear.start()
    try:
        # Within one transaction PostgreSQL tells the same of who is there again and again.
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as listening:
            heard = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN jobs%'"
            wait_for(lambda: listening.scalar(text(heard)), what="a listener")
        with Session(engine) as session:
            enqueue(session, "demo", AT_ONCE, delay_seconds=3000)
            session.commit()
            enqueue(session, "demo", AT_ONCE)
            session.rollback()
            assert queues.queue_length() == 0
            enqueue(session, "demo", AT_ONCE)
            raw: Any = session.connection().connection.driver_connection
            raw.cursor().execute("COMMIT")
        wait_for(lambda: queues.queue_length() == 1, what="a wake-up")
    finally:
        ending.set()
        ear.join()


def test_the_callers_own_statements_may_take_their_time(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadlines, "ANSWER_SECONDS", 0.1)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT 1 FROM pg_sleep(0.3)")) == 1


@pytest.mark.parametrize(
    ("pipeline", "params", "options", "error", "said"),
    [
        ("nothing", {}, {}, Invalid, "pipeline: There is no pipeline 'nothing'"),
        ("demo", {"step_seconds": "1"}, {}, Invalid, "params.step_seconds: Input should be a valid number"),
        ("demo", {"colour": 1}, {}, Invalid, "params.colour: Extra inputs"),
        ("demo", {"step_seconds": float("nan")}, {}, Invalid, "params: It is not JSON"),
        ("demo", {"colour": "\x00"}, {}, Invalid, "NUL"),
        ("document", {"document": "none.txt"}, {}, Invalid, "none.txt"),
        ("demo", {}, {"priority": 10}, Invalid, "priority: Input should be less than"),
        ("demo", {}, {"colour": 1}, Invalid, "colour: Extra inputs"),
        ("demo", {}, {"delay_seconds": float("nan")}, Invalid, "delay_seconds"),
        ("demo", ["step_seconds"], {}, Invalid, "params: It must be a model or a dictionary, not list"),
        ("demo", {}, {"tags": "nightly"}, Invalid, "tags: Input should be a valid list"),
        ("demo", {"x": "x" * 300_000}, {}, TooLarge, "the params of a job may have"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(
    engine: Engine, pipeline: str, params: dict[str, Any], *, options: dict[str, Any], error: type[Exception], said: str
) -> None:
    with Session(engine) as session:
        with pytest.raises(error, match=said):
            enqueue(session, pipeline, params, **options)
        assert not session.in_transaction()


def test_what_is_no_session_is_told(engine: Engine) -> None:
    with pytest.raises(
        TypeError, match="takes a SQLAlchemy session or connection, whose transaction it is made in; Engine is none"
    ):
        enqueue(engine, "demo")  # type: ignore[call-overload]


def test_tags_may_be_any_sequence(engine: Engine) -> None:
    with Session(engine) as session:
        found = enqueue(session, "demo", tags=("nightly", "large"), delay_seconds=3000)
        tags = session.scalar(text("SELECT tags FROM jobs WHERE id = :id"), {"id": found.id})
        session.rollback()
    assert tags == ["nightly", "large"]


def test_a_database_without_tables_says_what_makes_them() -> None:
    own = create_engine(get_settings().sqlalchemy_url.set(database="postgres"))
    with Session(own) as session, pytest.raises(Unavailable, match="run: python -m background migrate"):
        enqueue(session, "demo")
    own.dispose()


class Loose(Params):
    """Of whatever there is."""

    extra: Any


@pytest.fixture
def loose(monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    """A pipeline whose params have no type."""
    found = Pipeline("loose", Loose)

    @found.step
    def take(context: StepContext, params: Loose) -> None:
        """Nothing to do."""

    monkeypatch.setitem(registry.pipelines(), "loose", found)
    return found


def test_params_that_nobody_could_be_shown_are_refused(engine: Engine, loose: Pipeline) -> None:
    with Session(engine) as session, pytest.raises(Invalid, match="params: They are nested deeper than the 64 levels"):
        enqueue(session, loose, {"extra": nested(64)})


def test_numbers_of_params_stay_of_their_kind(engine: Engine, loose: Pipeline) -> None:
    with Session(engine) as session:
        found = enqueue(session, loose, {"extra": [1e22, 1.2345678901234568e29, 10**22]}, delay_seconds=3000)
        params = session.scalar(text("SELECT params FROM jobs WHERE id = :id"), {"id": found.id})
        session.rollback()
    assert [repr(each) for each in params["extra"]] == ["1e+22", "1.2345678901234568e+29", str(10**22)]


def test_params_of_another_model_are_refused(engine: Engine) -> None:
    class Other(Params):
        colour: str

    with Session(engine) as session, pytest.raises(Invalid, match="colour"):
        enqueue(session, "demo", Other(colour="red"))


@pytest.mark.timeout(400)  # on a busy machine
def test_of_two_thousand_transactions_the_committed_ones_run_whoever_is_killed(
    client: httpx.Client, worker: Process, tmp_path: Path
) -> None:
    with transaction() as connection:
        connection.execute(text("DELETE FROM jobs"))
        connection.execute(text("CREATE TABLE orders (number int PRIMARY KEY)"))
    try:
        hears = text("SELECT count(*) FROM pg_stat_activity WHERE query = 'LISTEN jobs_enqueued'")

        def worker_hears() -> bool:
            with transaction() as connection:
                return bool(connection.scalar(hears) == 1)

        wait_for(worker_hears, what="a worker that listens")
        at, end, chance = 0, 2000, random.Random(17)
        while at < end:
            shop = subprocess.Popen(
                [sys.executable, "-c", SHOP, str(at), str(end)], cwd=ROOT, stdout=subprocess.PIPE, text=True
            )
            assert shop.stdout is not None
            kill_at = at + chance.randrange(200, 800)
            with shop.stdout as lines:
                for line in lines:
                    at = int(line) + 1
                    if at >= kill_at:
                        shop.kill()
                        break
            # What it committed and did not tell of any more.
            at = max(at, *(n + 1 for n in ordered())) if shop.wait() else at
        wanted = ordered()
        assert len(wanted) >= 990

        def done() -> bool:
            with transaction() as connection:
                return not connection.scalar(text("SELECT count(*) FROM jobs WHERE status <> 'COMPLETED'"))

        wait_for(done, seconds=60, what="the end of all jobs")
        with transaction() as connection:
            made = connection.execute(text("SELECT (params->'fail_times')::int, attempt FROM jobs ORDER BY 1")).all()
        assert [tuple(each) for each in made] == [(number, 1) for number in wanted]
    finally:
        with transaction() as connection:
            connection.execute(text("DROP TABLE orders"))


def ordered() -> list[int]:
    """The numbers of all committed orders."""
    with transaction() as connection:
        return list(connection.scalars(text("SELECT number FROM orders ORDER BY number")))
