"""Due times and their jobs, one to one: what a worker does, called here, so that the moment is the test's."""

import importlib
import itertools
import json
import math
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import Field, ValidationError
from sqlalchemy import text

from background.base import log_context
from background.base.errors import Conflict, Invalid, NotFound
from background.jobs import enqueue, registry
from background.jobs import service as jobs
from background.jobs.pipeline import Params, Pipeline, StepContext
from background.schedules import declared, firing, service, sql
from background.schedules.schemas import ScheduleChange, ScheduleRequest
from background.settings import get_settings
from background.storage import database, deadlines, pools
from tests.support import no_schedules, transaction

pytestmark = pytest.mark.usefixtures("postgres", "valkey")
Json = dict[str, Any]
SET_BACK = text("""
UPDATE schedules
SET next_at = now() - :seconds * interval '1 second', anchor = now() - :seconds * interval '1 second' WHERE id = :id
""")
Start = Callable[[Mapping[str, str]], None]
MODULE = """
from background.jobs import Params, Pipeline, Schedule

class Sales(Params):
    days: int = 1

{name} = Pipeline("{name}", Sales{arguments})

@{name}.step
def add_up(context, params):
    return None
"""


@pytest.fixture(autouse=True)
def empty() -> Iterator[None]:
    with no_schedules():
        yield


def make(**given: Any) -> int:
    """A schedule of the pipeline `demo`, an hour long unless told otherwise."""
    body = {"name": "nightly", "pipeline": "demo", "params": {"step_seconds": 0.5}, **given}
    if not {"cron", "every_seconds"} & {*given}:
        body["every_seconds"] = 3600
    return service.create_schedule(ScheduleRequest(**body)).id


def set_back(schedule_id: int, seconds: float) -> None:
    """As though nobody had looked for a while."""
    with transaction() as connection:
        connection.execute(SET_BACK, {"id": schedule_id, "seconds": seconds})


def made(schedule_id: int) -> list[Json]:
    """The jobs of a schedule in the order of their due times."""
    statement = "SELECT * FROM jobs WHERE schedule_id = :id ORDER BY run_at, id"
    with transaction() as connection:
        return [dict(row) for row in connection.execute(text(statement), {"id": schedule_id}).mappings()]


def test_a_due_time_makes_one_job() -> None:
    schedule_id = make(priority=3, tags=["night"], max_attempts=7)
    before = service.get_schedule(schedule_id)
    assert firing.fire() == 0
    set_back(schedule_id, 0.5)
    due = service.get_schedule(schedule_id).next_at
    assert (firing.fire(), firing.fire()) == (1, 0)
    (job,) = made(schedule_id)
    assert (job["pipeline"], job["params"]["step_seconds"], job["priority"]) == ("demo", 0.5, 3)
    assert (job["tags"], job["max_attempts"], job["run_at"]) == (["night"], 7, due)
    after = service.get_schedule(schedule_id)
    assert (after.last_job_id, after.last_error) == (job["id"], None)
    assert due
    assert after.next_at == due + timedelta(hours=1)
    assert before.next_at
    assert before.next_runs[0] == before.next_at
    assert after.last_at
    assert after.next_runs == [after.next_at + n * timedelta(hours=1) for n in range(5)]
    assert jobs.get_job(job["id"]).schedule_id == schedule_id


def test_a_job_has_the_request_that_ran_it_and_not_that_of_its_schedule() -> None:
    with log_context.bound(request_id="r-made"):
        schedule_id = make()
    set_back(schedule_id, 0.5)
    firing.fire()
    with log_context.bound(request_id="r-run"):
        service.run_schedule(schedule_id)
    assert {job["request_id"] for job in made(schedule_id)} == {None, "r-run"}


def test_one_job_for_all_that_was_missed() -> None:
    schedule_id = make(every_seconds=60)
    set_back(schedule_id, 86_400)
    firing.fire()
    (job,) = made(schedule_id)
    assert datetime.now(UTC) - job["run_at"] < timedelta(minutes=1)
    found = service.get_schedule(schedule_id)
    assert found.next_at
    assert found.next_at > datetime.now(UTC)


@pytest.mark.parametrize(("missed", "expected"), [(3, 4), (500, 100)])
def test_one_job_for_each_that_was_missed(missed: int, expected: int) -> None:
    schedule_id = make(every_seconds=60, catch_up=True)
    set_back(schedule_id, 60 * missed + 30)
    firing.fire()
    times = [job["run_at"] for job in made(schedule_id)]
    assert len(times) == expected
    assert {later - earlier for earlier, later in itertools.pairwise(times)} == {timedelta(minutes=1)}
    found = service.get_schedule(schedule_id)
    assert found.next_at
    assert found.next_at > datetime.now(UTC)
    assert firing.fire() == 0


def test_what_is_only_late_is_not_missed() -> None:
    schedule_id = make(every_seconds=1)
    set_back(schedule_id, 1.5)
    firing.fire()
    assert len(made(schedule_id)) == 2


def test_many_at_once_make_one_job_each() -> None:
    ids = [make(name=f"of {number}") for number in range(30)]
    for schedule_id in ids:
        set_back(schedule_id, 1)
    begin = threading.Barrier(5)

    def work() -> None:
        begin.wait(20)
        while firing.fire():
            pass

    threads = [threading.Thread(target=work) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [len(made(schedule_id)) for schedule_id in ids] == [1] * 30


def test_whoever_dies_before_the_commit_has_made_nothing() -> None:
    schedule_id = make()
    set_back(schedule_id, 1)

    def die() -> None:
        with pools.working.transaction() as connection:
            (row,) = sql.take_due(connection, pipelines=(), but=(), limit=1)
            assert len(firing.create(connection, row, [row.now], firing.jobs_of(row, 1))) == 1
            assert firing.fire() == 0, "another worker leaves alone what this one holds"
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        die()
    assert made(schedule_id) == []
    assert firing.fire() == 1
    assert len(made(schedule_id)) == 1


def test_a_paused_one_makes_nothing_and_has_missed_nothing() -> None:
    schedule_id = make(every_seconds=60, catch_up=True)
    set_back(schedule_id, 600)
    paused = service.change_schedule(schedule_id, ScheduleChange(paused=True))
    assert (paused.paused, paused.next_at, paused.next_runs) == (True, None, [])
    assert firing.fire() == 0
    assert service.change_schedule(schedule_id, ScheduleChange(paused=True)).updated_at == paused.updated_at
    resumed = service.change_schedule(schedule_id, ScheduleChange(paused=False))
    assert resumed.next_at
    assert timedelta(0) < resumed.next_at - datetime.now(UTC) <= timedelta(minutes=1)
    assert made(schedule_id) == []
    assert not service.create_schedule(
        ScheduleRequest(name="x", pipeline="demo", cron="* * * * *", paused=True)
    ).next_at


def test_run_now_makes_a_job_beside_the_due_times() -> None:
    schedule_id = make(paused=True)
    job = service.run_schedule(schedule_id)
    (found,) = made(schedule_id)
    assert found["id"] == job.id == service.get_schedule(schedule_id).last_job_id
    with pytest.raises(NotFound):
        service.run_schedule(schedule_id + 1)


def test_a_change_of_times_counts_from_now() -> None:
    schedule_id = make(every_seconds=60)
    hourly = service.change_schedule(schedule_id, ScheduleChange(cron="30 3 * * *", timezone="Asia/Seoul"))
    assert (hourly.cron, hourly.every_seconds) == ("30 3 * * *", None)
    assert [(run.hour, run.minute) for run in hourly.next_runs] == [(18, 30)] * 5
    renamed = service.change_schedule(schedule_id, ScheduleChange(name="other", params={"step_seconds": 2}))
    assert (renamed.next_at, renamed.params["step_seconds"]) == (hourly.next_at, 2)
    every = make(name="every")
    first = service.get_schedule(every).next_at
    same = ScheduleChange(name="the same", every_seconds=3600, cron=None, timezone="UTC")
    assert service.change_schedule(every, same).next_at == first, "a form sends all it has"
    again = service.change_schedule(schedule_id, ScheduleChange(every_seconds=90))
    assert (again.cron, again.every_seconds, again.name) == (None, 90, "other")
    assert again.next_runs[1] - again.next_runs[0] == timedelta(seconds=90)


@pytest.mark.parametrize(
    "given",
    [{"cron": None}, {"every_seconds": 5, "cron": "* * * * *"}, {"cron": "0 0 30 2 *"}, {"timezone": "Mars/Olympus"},
     {"name": None}, {"pipeline": "nothing"}, {"params": {"step_seconds": -1}}, {"paused": None}],
)  # fmt: skip
def test_a_change_that_cannot_be_changes_nothing(given: Json) -> None:
    schedule_id = make(cron="0 3 * * *")
    before = service.get_schedule(schedule_id)
    with pytest.raises((Invalid, ValidationError)):
        service.change_schedule(schedule_id, ScheduleChange(**given))
    assert service.get_schedule(schedule_id) == before


def test_names_are_taken_once() -> None:
    make()
    schedule_id = make(name="other")
    for attempt in (make, lambda: service.change_schedule(schedule_id, ScheduleChange(name="nightly"))):
        with pytest.raises(Conflict, match="There is a schedule 'nightly' already"):
            attempt()


def test_a_pipeline_that_is_gone_is_no_reason_to_lose_a_job() -> None:
    schedule_id = make()
    with transaction() as connection:
        gone = json.dumps({"pipeline": "gone", "step_names": ["first"]})
        connection.execute(text("UPDATE schedules SET job = job || CAST(:gone AS jsonb)"), {"gone": gone})
    set_back(schedule_id, 1)
    firing.fire()
    (job,) = made(schedule_id)
    assert (job["pipeline"], job["step_names"], job["status"]) == ("gone", ["first"], "PENDING")


class Report(Params):
    """What nobody gives is another value each time."""

    customer: int = 1
    day: datetime = Field(default_factory=lambda: datetime.now(UTC))
    run: UUID = Field(default_factory=uuid4)


def reports(monkeypatch: pytest.MonkeyPatch, model: type[Params] = Report, **declared: Any) -> None:
    """Another release of the pipeline `report`."""
    pipeline = Pipeline("report", model, **declared)
    pipeline.step(write)
    monkeypatch.setitem(registry.pipelines(), "report", pipeline)


def write(context: StepContext, params: Params) -> None:
    """A step."""


def test_what_nobody_has_given_is_made_anew_for_each_job(monkeypatch: pytest.MonkeyPatch) -> None:
    reports(monkeypatch)
    given = str(uuid4())
    schedule_id = make(pipeline="report", params={"run": given}, catch_up=True)
    assert service.get_schedule(schedule_id).params == {"customer": 1, "run": given}
    service.change_schedule(schedule_id, ScheduleChange(priority=3))
    set_back(schedule_id, 2 * 3600)
    firing.fire()
    service.run_schedule(schedule_id)
    jobs_of = made(schedule_id)
    assert len({job["params"]["day"] for job in jobs_of}) == len(jobs_of) == 4
    assert {job["params"]["run"] for job in jobs_of} == {given}
    assert {job["priority"] for job in jobs_of} == {3}

    class Stricter(Report):
        region: str

    reports(monkeypatch, Stricter)
    service.run_schedule(schedule_id)
    params = made(schedule_id)[-1]["params"]
    assert {*params} == {*jobs_of[0]["params"]}, "it waits, and says what does not fit"
    assert params["day"] > jobs_of[-1]["params"]["day"]


def test_what_today_s_release_takes_after_an_upgrade_is_of_no_earlier_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    class Today(Params):
        who: int
        day: datetime = Field(default_factory=lambda: datetime.now(UTC))
        run: float = Field(default_factory=lambda: math.nan)

    def upgrade(earlier: Json) -> Json:
        return {"who": earlier["customer"], "day": earlier["day"]}

    reports(monkeypatch)
    schedule_id = make(pipeline="report", params={"customer": 7})
    moment = datetime.now(UTC)
    reports(monkeypatch, Today, upgrade=upgrade)
    service.run_schedule(schedule_id)
    (job,) = made(schedule_id)
    assert [*job["params"]] == ["day", "customer"], "nobody makes a `run` that can be stored"
    taken = registry.pipelines()["report"].accept(job["params"])
    assert isinstance(taken, Today)
    assert (taken.who, taken.day > moment) == (7, True)


def test_what_takes_its_time_to_make_holds_up_no_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    """`default_factory` is somebody's code: it may ask others, and takes longer here than a transaction may."""

    def ask() -> bool:
        time.sleep(deadlines.ANSWER_SECONDS + 0.5)
        return True

    class Slow(Params):
        asked: bool = Field(default_factory=ask)

    reports(monkeypatch, Slow)
    slow, other = make(name="slow", pipeline="report", params={}), make(name="other")
    for schedule_id in (slow, other):
        set_back(schedule_id, 1)
    assert firing.fire() == 2
    service.run_schedule(slow)
    assert [len(made(schedule_id)) for schedule_id in (slow, other)] == [2, 1]


def test_what_is_made_anew_is_left_to_a_worker_that_has_the_pipeline(monkeypatch: pytest.MonkeyPatch) -> None:
    reports(monkeypatch)
    report, plain = make(name="report", pipeline="report", params={}), make(name="plain")
    for schedule_id in (report, plain):
        set_back(schedule_id, 1)
    with monkeypatch.context() as elsewhere:
        elsewhere.delitem(registry.pipelines(), "report")
        assert firing.fire() == 1
        assert [len(made(schedule_id)) for schedule_id in (report, plain)] == [0, 1]
        assert (firing.seconds_until_due() or 0) > 60, "nor does it look all the time"
        with pytest.raises(Invalid, match="There is no pipeline 'report' here"):
            service.run_schedule(report)
    with transaction() as connection:
        run = connection.execute(text("SELECT job -> 'params' ->> 'run' FROM schedules WHERE id = :id"), {"id": report})
        stored = run.scalar_one()
    assert firing.fire() == 1
    (job,) = made(report)
    assert job["params"]["run"] != stored


def test_jobs_of_a_schedule_have_the_unique_key_of_the_release_that_makes_them(monkeypatch: pytest.MonkeyPatch) -> None:
    reports(monkeypatch, unique=["customer"])
    schedule_id = make(pipeline="report", params={})
    first = service.run_schedule(schedule_id)
    assert service.run_schedule(schedule_id).id == first.id
    reports(monkeypatch)
    service.run_schedule(schedule_id)
    reports(monkeypatch, unique=["run", "customer"])
    service.run_schedule(schedule_id)

    class Later(Report):
        region: str = "eu"

    reports(monkeypatch, Later, unique=["region"])
    service.run_schedule(schedule_id)
    keys = [job["unique_key"] for job in made(schedule_id)]
    assert keys[:2] == ['{"customer":1}', None]
    assert keys[2].startswith('{"customer":1,"run":')
    assert keys[3] == '{"region":"eu"}'


def test_a_schedule_whose_key_somebody_s_transaction_has_waits_and_no_other_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reports(monkeypatch, unique=["customer"])
    first, second = make(name="first", pipeline="report", params={"customer": 7}), make(name="second")
    for schedule_id in (first, second):
        set_back(schedule_id, 1)
    with transaction() as theirs:
        job = enqueue(theirs, "report", {"customer": 7})
        assert firing.fire() == 1
        assert [len(made(schedule_id)) for schedule_id in (first, second)] == [0, 1]
        assert service.get_schedule(first).last_error is None
    assert firing.fire() == 1
    assert service.get_schedule(first).last_job_id == job.id


def test_many_whose_keys_somebody_s_transaction_has_hold_up_no_other_one(monkeypatch: pytest.MonkeyPatch) -> None:
    reports(monkeypatch, unique=["customer"])
    customers = range(100, 100 + 2 * firing.AT_ONCE)
    held = [make(name=f"{each}", pipeline="report", params={"customer": each}) for each in customers]
    other = make(name="other")
    for schedule_id in (*held, other):
        set_back(schedule_id, 1)
    with transaction() as theirs:
        for each in customers:
            enqueue(theirs, "report", {"customer": each})
        assert firing.fire() == 1
        assert [len(made(schedule_id)) for schedule_id in (*held, other)] == [*(0 for _ in held), 1]


def test_a_schedule_that_cannot_be_stored_or_read_any_more_stops_nothing() -> None:
    wrong, lost, right = make(name="wrong"), make(name="lost", cron="* * * * *"), make(name="right")
    with transaction() as connection:
        connection.execute(
            text("UPDATE schedules SET job = job || CAST(:more AS jsonb) WHERE id = :id"),
            {"id": wrong, "more": json.dumps({"priority": 77})},
        )
        connection.execute(text("UPDATE schedules SET timezone = 'Mars/Olympus' WHERE id = :id"), {"id": lost})
    for schedule_id in (wrong, lost, right):
        set_back(schedule_id, 1)
    assert firing.fire() == 3
    assert [len(made(schedule_id)) for schedule_id in (wrong, lost, right)] == [0, 1, 1]
    refused, stopped = service.get_schedule(wrong), service.get_schedule(lost)
    assert "priority" in (refused.last_error or "")
    assert refused.next_at
    assert (stopped.next_at, stopped.next_runs) == (None, [])
    assert "There is no time zone 'Mars/Olympus'" in (stopped.last_error or "")
    service.change_schedule(lost, ScheduleChange(paused=True))
    with pytest.raises(Invalid, match="There is no time zone"):
        service.change_schedule(lost, ScheduleChange(paused=False))
    mended = service.change_schedule(lost, ScheduleChange(timezone="UTC", paused=False))
    assert (len(mended.next_runs), mended.last_error) == (5, None)


@pytest.fixture
def worker_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Mapping[str, str]], None]]:
    """Does what a worker does at its start, with a module for each pipeline and arguments for it."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def start(modules: Mapping[str, str]) -> None:
        for name, arguments in modules.items():
            (tmp_path / f"{name}_code.py").write_text(MODULE.format(name=name, arguments=arguments))
            sys.modules.pop(f"{name}_code", None)
        monkeypatch.setenv("PIPELINES", ",".join(f"{name}_code" for name in modules))
        forget()
        declared.keep_in_step()

    def forget() -> None:
        importlib.invalidate_caches()
        get_settings.cache_clear()
        registry.modules.cache_clear()

    yield start
    monkeypatch.undo()
    forget()


def by_name() -> dict[str, Any]:
    """The schedules there are."""
    return {each.name: each for each in service.find_schedules(pipeline=None, after=0, limit=10)}


def test_declared_ones_are_kept_in_step(worker_starts: Start) -> None:
    make(name="sales")
    worker_starts({"sales": ', schedule="0 3 * * *"', "stock": ', schedule="0 4 * * *"'})
    assert {*by_name()} == {"sales", "stock"}, "one of another pipeline keeps its name"
    service.delete_schedule(by_name()["sales"].id)
    worker_starts({"sales": ', schedule="0 3 * * *"'})
    sales = by_name()["sales"]
    assert (sales.cron, sales.timezone, sales.params, sales.declared) == ("0 3 * * *", "UTC", {"days": 1}, True)
    changes: list[Json] = [{"cron": "* * * * *"}, {"name": "x"}, {"params": {}}, {"paused": True, "catch_up": True}]
    for change in changes:
        with pytest.raises(Conflict, match="declared in sales_code; here it can only be paused"):
            service.change_schedule(sales.id, ScheduleChange(**change))
    service.change_schedule(sales.id, ScheduleChange(paused=True))
    worker_starts({"sales": ', schedule="0 3 * * *"'})
    assert (by_name()["sales"].paused, by_name()["sales"].next_at) == (True, None)
    weekly = 'Schedule(every_seconds=60, params={"days": 7}, catch_up=True)'
    worker_starts({"sales": f", schedule={weekly}"})
    changed = by_name()["sales"]
    assert (changed.id, changed.cron, changed.every_seconds, changed.params) == (sales.id, None, 60, {"days": 7})
    assert (changed.paused, changed.catch_up) == (True, True)
    worker_starts({"sales": ""})
    assert {*by_name()} == {"stock"}, "the other is not this worker's"
    service.delete_schedule(by_name()["stock"].id)


def test_what_is_declared_as_before_stays_as_it_is(worker_starts: Start) -> None:
    make(name="demo")
    worker_starts({"sales": ", schedule=Schedule(every_seconds=60)"})
    set_back(by_name()["sales"].id, 10)
    before = by_name()
    worker_starts({"sales": ", schedule=Schedule(every_seconds=60)"})
    assert by_name() == before


def test_a_client_s_own_of_the_same_pipeline_becomes_the_declared_one(worker_starts: Start) -> None:
    worker_starts({"sales": ', schedule="0 3 * * *"'})
    with transaction() as connection:
        connection.execute(text("UPDATE schedules SET module = NULL, cron = '0 9 * * *'"))
    worker_starts({"sales": ', schedule="0 3 * * *"'})
    assert (by_name()["sales"].cron, by_name()["sales"].declared) == ("0 3 * * *", True)


def test_whoever_listens_hears_of_a_change_and_of_no_job() -> None:
    listening = database.listen(sql.CHANGED, seconds=4)
    assert listening
    driver: Any = listening.connection.driver_connection

    def heard() -> int:
        with driver.cursor() as cursor:
            cursor.execute("SELECT 1")
        driver.poll()
        number = len(driver.notifies)
        driver.notifies.clear()
        return number

    try:
        schedule_id = make()
        assert heard() == 1
        service.change_schedule(schedule_id, ScheduleChange(every_seconds=5))
        assert heard() == 1
        set_back(schedule_id, 1)
        firing.fire()
        assert heard() == 0
    finally:
        listening.invalidate()
        listening.close()
