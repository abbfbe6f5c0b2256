"""What a step gives, says and reports stays within bounds, and so does what is told of it."""

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import NullPool, create_engine, text

from background import outcomes
from background.base.errors import Unavailable
from background.jobs import attempt, registry, runner, service
from background.jobs.actions import act
from background.jobs.filters import ActionRequest, JobFilter
from background.jobs.pipeline import NoRetry, StepContext
from background.jobs.schemas import JobWithHistory
from background.jobs.slots import Desk, Slot
from background.jobs.sql import transitions
from background.jobs.states import Action
from background.pipelines import DemoParams
from background.settings import get_settings
from background.streams import subjects
from tests.integration.test_job_queries import claim, create, worker
from tests.support import nested, transaction

pytestmark = pytest.mark.usefixtures("postgres")
Run = Callable[[Callable[[StepContext], Any]], JobWithHistory]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a demo job whose first step is what is given, in this process; gives the job."""

    def run_it(first: Callable[[StepContext], Any]) -> JobWithHistory:
        def prepare(context: StepContext, params: DemoParams) -> Any:
            assert params.fail_times == 1
            return first(context)

        steps = registry.pipelines()["demo"].steps
        rest = {name: lambda *_: None for name in ("process", "publish")}
        for name, function in {"prepare": prepare, **rest}.items():
            monkeypatch.setitem(steps, name, function)
        with transaction() as connection:
            job_id = create(connection)
            connection.execute(
                text("UPDATE jobs SET step_names = :names WHERE id = :id"), {"names": [*steps], "id": job_id}
            )
            connection.execute(
                text("UPDATE jobs SET status = 'CANCELLED' WHERE status = 'PENDING' AND id <> :id"), {"id": job_id}
            )
        desk = Desk(dataclasses.replace(worker(), abilities=json.dumps(registry.abilities())))
        runner.work(Slot(desk, wake_up="wake-up"))
        return service.get_job(job_id)

    return run_it


def test_numbers_come_back_from_postgresql_as_a_step_of_the_same_attempt_was_given_them(run: Run) -> None:
    seen: list[Any] = []

    def give(context: StepContext) -> Any:
        numbers = [1e22, 1.2345678901234568e29, -0.0, 1.0, 10**22]
        seen.append(context.once("numbers", lambda: numbers))
        return numbers

    given = ["1e+22", "1.2345678901234568e+29", "0.0", "1.0", str(10**22)]
    assert [repr(each) for each in run(give).steps[0].output] == given
    assert [repr(each) for each in seen[0]] == given


def test_what_an_earlier_release_stored_too_deep_is_left_out_and_named(run: Run) -> None:
    job = run(lambda _: 1)
    with transaction() as connection:
        for statement in (
            "UPDATE jobs SET result = CAST(:deep AS jsonb) WHERE id = :id",
            "UPDATE job_steps SET output = CAST(:deep AS jsonb) WHERE job_id = :id AND step_number = 2",
        ):
            connection.execute(text(statement), {"deep": json.dumps(nested(300)), "id": job.id})
    found = json.loads(service.get_job(job.id).model_dump_json())
    assert found["cut"] == ["result", "steps.1.output"]
    assert (found["result"], [step["output"] for step in found["steps"]]) == (None, [1, None, None])
    (listed,) = service.find_jobs(JobFilter(), limit=1)
    assert json.loads(listed.model_dump_json())["cut"] == ["result", "steps.1.output"]
    told = outcomes.get_outcome(job.task_id)
    assert json.loads(told.model_dump_json())["result"] is None


def test_an_output_up_to_the_limit_is_kept_and_a_larger_one_fails_the_step(run: Run) -> None:
    limit = get_settings().max_output_bytes
    fits, larger = "é" * (limit // 2 - 1), "é" * (limit // 2)
    job = run(lambda _: fits)
    assert (job.status, job.steps[0].output) == ("COMPLETED", fits)
    job = run(lambda _: larger)
    assert (job.status, job.attempt) == ("FAILED", 1)
    assert job.error == f"NoRetry: The step returned {limit + 2} bytes as JSON; MAX_OUTPUT_BYTES allows {limit}."
    assert job.steps[0].output is None


def test_an_endless_message_is_kept_in_part(run: Run) -> None:
    def fail(_: StepContext) -> None:
        raise NoRetry("long " * 1_000_000)

    job = run(fail)
    assert job.error is not None
    assert job.error.startswith("NoRetry: long long")
    assert job.error.endswith(" characters left out]")
    assert len(job.error) < 5_000
    assert len(job.model_dump_json()) < 100_000


def test_progress_is_told_now_and_then_and_the_newest_of_each_step_stays(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempt, "REPORT_SECONDS", 0.0)
    seen: list[tuple[int, float]] = []

    def report(context: StepContext) -> None:
        for number in range(1, 41):
            context.progress(number / 100, f"part {number}")
            with transaction() as connection:
                statement = text("""
                    SELECT event_count, CAST(progress AS float) FROM jobs JOIN job_steps ON job_id = jobs.id
                    WHERE jobs.id = :id
                """)
                seen.append(tuple(connection.execute(statement, {"id": context.job_id}).one()))

    monkeypatch.setattr(attempt, "TELL_SECONDS", 3600.0)
    job = run(report)
    assert seen == [(3, number / 100) for number in range(1, 41)], "each is written, and one is an event"
    monkeypatch.setattr(attempt, "TELL_SECONDS", 0.0)
    job = run(report)
    assert [event.kind for event in job.events] == [
        "created", "started", "progress", "step_completed", "step_completed", "completed",
    ]  # fmt: skip
    assert [event.number for event in job.events] == [1, 2, 42, 43, 44, 45]
    assert job.events[2].message == "part 40"


def test_who_follows_a_job_gets_the_newest_progress_and_loses_nothing_else() -> None:
    with transaction() as connection:
        job_id = create(connection)
        token = claim(connection, job_id).token
        for number in range(1, 4):
            transitions.progress(connection, job_id=job_id, token=token, fraction=number / 10, message=None)
    for last in range(5):
        events, document = subjects.since(subjects.job(job_id), last)
        assert events == [each for each in [(1, "created"), (2, "started"), (5, "progress")] if each[0] > last]
        assert (document.number, json.loads(document.data)["steps"][0]["progress"]) == (5, 0.3)
    assert subjects.since(subjects.job(job_id), None)[0] == [(5, "progress")]


def test_large_values_are_cut_in_lists_and_streams_and_named(run: Run) -> None:
    listed, streamed = "x" * 2_000, "y" * 20_000
    jobs = [run(lambda _: listed), run(lambda _: streamed)]
    with transaction() as connection:
        values = {"id": jobs[1].id, "value": json.dumps({"document": streamed})}
        statement = text(
            "UPDATE jobs SET params = CAST(:value AS jsonb), result = CAST(:value AS jsonb) WHERE id = :id"
        )
        connection.execute(statement, values)
    found = {job.id: job for job in service.find_jobs(JobFilter(pipeline="demo"), limit=2)}
    assert [found[job.id].cut for job in jobs] == [["steps.0.output"], ["params", "result", "steps.0.output"]]
    assert [found[job.id].steps[0].output for job in jobs] == [None, None]
    assert [step.name for step in found[jobs[0].id].steps] == ["prepare", "process", "publish"]
    told = [json.loads(subjects.load([subjects.job(job.id)])[subjects.job(job.id)].data) for job in jobs]
    assert [each["cut"] for each in told] == [[], ["params", "result", "steps.0.output"]]
    assert (told[0]["steps"][0]["output"], told[1]["params"], told[1]["result"]) == (listed, None, None)
    whole = service.get_job(jobs[1].id)
    assert (whole.cut, whole.params, whole.steps[0].output) == ([], {"document": streamed}, streamed)


def test_the_history_is_read_in_pages() -> None:
    with transaction() as connection:
        job_id = create(connection)
        connection.execute(
            text("""
                INSERT INTO job_events (job_id, number, kind, attempt)
                SELECT :id, number, 'lost', 1 FROM generate_series(2, 2500) AS number
            """),
            {"id": job_id},
        )
    pages: list[list[int]] = [[event.number for event in service.get_job(job_id).events]]
    while pages[-1][0] > 1:
        page = service.get_job(job_id, events_before=pages[-1][0])
        pages.append([event.number for event in page.events])
    assert [(page[0], page[-1], len(page)) for page in pages] == [(1501, 2500, 1000), (501, 1500, 1000), (1, 500, 500)]
    assert service.get_job(job_id, events_before=1).events == []


def test_who_waits_for_somebody_s_transaction_is_told_so() -> None:
    with transaction() as connection:
        job_id = create(connection)
    theirs = create_engine(get_settings().sqlalchemy_url, poolclass=NullPool)
    with theirs.begin() as connection:
        connection.execute(text("SELECT FROM jobs WHERE id = :id FOR UPDATE"), {"id": job_id})
        for change in (
            lambda: service.cancel_job(job_id),
            lambda: act(ActionRequest(action=Action.CANCEL, filter=JobFilter())),
        ):
            with pytest.raises(Unavailable, match="another transaction has what this one needs"):
                change()
    service.cancel_job(job_id)
