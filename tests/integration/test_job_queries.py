"""The statements of the pipeline against a real PostgreSQL: fence, order, repetition."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from celery.worker import state as celery_state
from psycopg2.errors import UniqueViolation
from sqlalchemy import Connection, text

from background.canvas.reasons import Error
from background.jobs import states
from background.jobs.filters import JobFilter
from background.jobs.sql import control, effects, limits, logs, reads, recovery, transitions, work
from background.jobs.sql.work import Claim, Claimed, End, Offered, Worker
from background.jobs.states import JobStatus
from background.outcomes import get_outcome
from background.storage import connections
from background.task_names import TaskName
from background.upkeep import leases
from tests.support import store_job, transaction

pytestmark = pytest.mark.usefixtures("postgres")
STEPS = ["one", "two", "three"]
TRUSTED = ["demo", "other"]
tokens: dict[tuple[int, int], str] = {}
"""Those of the claims, by job and attempt."""
ABILITIES = json.dumps({"demo": {"steps": STEPS, "params": "digest"}, "other": {"steps": STEPS, "params": "digest"}})


def create(connection: Connection, *, step_names: Sequence[str] = STEPS, **more: Any) -> int:
    """A fresh PENDING job of three steps."""
    return store_job(connection, step_names=step_names, **more)


@pytest.fixture
def job() -> int:
    """A fresh PENDING job of three steps."""
    with transaction() as connection:
        return create(connection)


@pytest.fixture
def connection() -> Iterator[Connection]:
    """A connection that commits each statement."""
    with connections.get_engine().connect().execution_options(isolation_level="AUTOCOMMIT") as opened:
        yield opened


def event_count(connection: Connection, job: int) -> int:
    """How many events the job has had; 0 if there is none."""
    statement = text("SELECT event_count FROM jobs WHERE id = :job")
    return int(connection.execute(statement, {"job": job}).scalar() or 0)


def worker(name: str = "w1") -> Worker:
    """One that can run these jobs."""
    return Worker(name=name, id=str(uuid4()), release="release", abilities=ABILITIES, lease=15, time_limit=60)


def claim(connection: Connection, job: int, *, by: str = "w1", seen: int | None = None) -> Any:
    """Claim this job as it is now, unless it was `seen` before."""
    claims = [Claim(str(uuid4()), "wake-up", (job, seen or event_count(connection, job)))]
    return known(next((row for row in work.work(connection, worker(by), claims=claims)), None))


def known(found: Any) -> Any:
    """What a claim has given, whose token is remembered."""
    if isinstance(found, Claimed):
        tokens[found.id, found.attempt] = found.token
    return found


def finish(connection: Connection, job: int, *, attempt: int, step: int) -> Any:
    """End a step with an output that names it."""
    ends = [End(job, tokens[job, attempt], step, f'{{"step": {step}}}')]
    return next((row for row in work.work(connection, worker(), ends=ends)), None)


def give_back(connection: Connection, job: int, *, attempt: int = 1) -> Any:
    """End an attempt so that another may begin."""
    outcome = states.failed("later", error=None, failures=0, max_attempts=9, retryable=True, pause=0.5)
    return transitions.stop(connection, job_id=job, token=tokens[job, attempt], outcome=replace(outcome, delay=0))


def what(row: Any) -> str:
    """Which kind of answer it is."""
    return type(row).__name__.lower()


def state(connection: Connection, job: int) -> dict[str, Any]:
    """The job as a client sees it."""
    row = reads.get(connection, job)
    assert row is not None
    return row._asdict()


def kinds(connection: Connection, job: int) -> list[str]:
    """The kinds of the job's events, which must be numbered 1, 2, 3 …"""
    events = state(connection, job)["events"]
    assert [event["number"] for event in events] == list(range(1, len(events) + 1))
    return [event["kind"] for event in events]


def test_a_job_goes_through_its_steps(connection: Connection, job: int) -> None:
    assert state(connection, job)["steps"] == []
    claimed = claim(connection, job)
    assert (claimed.attempt, claimed.current_step, claimed.outputs) == (1, 1, {})
    for step in (1, 2):
        row = finish(connection, job, attempt=1, step=step)
        assert (row.status, row.current_step, row.step_failures) == ("IN_PROGRESS", step + 1, 0)
        assert [each["status"] for each in state(connection, job)["steps"]] == ["COMPLETED"] * step + ["IN_PROGRESS"]
    assert finish(connection, job, attempt=1, step=3).status == "COMPLETED"
    ended = state(connection, job)
    assert (ended["status"], ended["result"], ended["worker"]) == ("COMPLETED", {"step": 3}, "w1")
    assert ended["finished_at"] >= ended["started_at"] >= ended["created_at"]
    assert [each["name"] for each in ended["steps"]] == STEPS
    assert [each["message"] for each in ended["steps"]] == [f"Step {k} completed successfully" for k in (1, 2, 3)]
    assert kinds(connection, job) == ["created", "started", "step_completed", "step_completed", "completed"]


def test_only_one_of_many_claims_wins(job: int) -> None:
    def attempt(_: int) -> Any:
        with transaction() as connection:
            return claim(connection, job)

    with ThreadPoolExecutor(8) as pool:
        won = [row for row in pool.map(attempt, range(16)) if row]
    assert len(won) == 1


def test_a_claim_whose_answer_was_lost_is_found_by_its_token_which_claims_nothing_else(connection: Connection) -> None:
    token = str(uuid4())
    first, second = create(connection), create(connection)
    claims = [Claim(token, "wake-up", (first, 1))]
    (claimed,) = work.work(connection, worker(), claims=claims)
    with pytest.raises(UniqueViolation):
        work.work(connection, worker(), claims=[Claim(token, "wake-up", (second, 1))])
    assert work.held(connection, [token], time_limit=60) == [claimed]
    assert kinds(connection, first) == ["created", "started"]
    assert kinds(connection, second) == ["created"]


def test_the_urgent_are_claimed_first_then_those_that_wait_for_longest(connection: Connection) -> None:
    connection.execute(text("DELETE FROM jobs"))
    ids = [create(connection) for _ in range(6)]
    for job, priority, seconds in zip(ids, (0, 9, 0, 5, 9, 0), (0, 0, 60, 0, 60, -60), strict=True):
        values = {"id": job, "priority": priority, "seconds": seconds}
        statement = "UPDATE jobs SET priority = :priority, run_at = run_at - :seconds * interval '1 s' WHERE id = :id"
        connection.execute(text(statement), values)
    order = []
    for number in (2, 1, 5):
        claims = [Claim(str(uuid4()), "wake-up") for _ in range(number)]
        order.append([row.id for row in work.work(connection, worker(), claims=claims, trusted=TRUSTED)])
    first, second, third, fourth, fifth, _ = ids
    assert [set(each) for each in order] == [{fifth, second}, {fourth}, {third, first}]


def test_steps_end_and_jobs_are_claimed_in_one_statement(connection: Connection) -> None:
    connection.execute(text("DELETE FROM jobs"))
    ids = [create(connection) for _ in range(5)]
    mine = worker()

    def claims(number: int) -> list[Claim]:
        return [Claim(str(uuid4()), "wake-up") for _ in range(number)]

    rows: list[Any] = [*work.work(connection, mine, claims=claims(3), trusted=TRUSTED, peek=True)]
    assert [(what(row), row.current_step, row.more) for row in rows] == [("claimed", 1, {"celery": 2})] * 3
    ends = [End(row.id, row.token, 1, '"done"') for row in rows] + [End(ids[4], str(uuid4()), 1, '"not mine"')]
    rows = [*work.work(connection, mine, ends=ends, claims=claims(3), trusted=TRUSTED, peek=True)]
    told = sorted(((what(row), row.id, row.current_step, row.more) for row in rows), key=lambda each: each[:2])
    assert told == [
        *(("claimed", each, 1, {"celery": 0}) for each in ids[3:]),
        *(("ended", each, 2, {"celery": 0}) for each in ids[:3]),
    ]


def test_a_job_of_a_pipeline_that_is_not_trusted_is_offered_and_claimed_as_it_was_seen(connection: Connection) -> None:
    connection.execute(text("DELETE FROM jobs"))
    first, second = create(connection, pipeline="other"), create(connection)
    claims = [Claim(str(uuid4()), "wake-up") for _ in range(3)]
    claimed, offered = work.work(connection, worker(), claims=claims, trusted=["demo"], peek=True)
    assert isinstance(claimed, Claimed)
    assert (claimed.id, claimed.more) == (second, {"celery": 0})
    assert offered == Offered(first, "other", {}, 1)
    assert kinds(connection, first) == ["created"]
    assert claim(connection, first, seen=2) is None
    assert claim(connection, first, seen=1).id == first


def test_what_was_sent_to_a_release_is_offered_to_it_before_others_of_its_priority(connection: Connection) -> None:
    connection.execute(text("DELETE FROM jobs"))
    plain, sent, elsewhere = (create(connection) for _ in range(3))
    for job, release in ((sent, "release"), (elsewhere, "another")):
        statement = "UPDATE jobs SET turned_away = '{\"refused_by\": []}', sent_to = :release WHERE id = :id"
        connection.execute(text(statement), {"id": job, "release": release})
    claims = [Claim(str(uuid4()), "wake-up") for _ in range(3)]
    rows = work.work(connection, worker(), claims=claims, trusted=TRUSTED)
    assert {(what(row), row.id) for row in rows} == {("offered", sent), ("claimed", plain)}
    connection.execute(text("UPDATE jobs SET status = 'PENDING', lease_until = NULL WHERE id = :id"), {"id": plain})
    (row,) = work.work(connection, worker(), claims=claims[:1], trusted=TRUSTED)
    assert (what(row), row.id) == ("offered", sent)


def test_a_job_that_the_worker_lacks_is_turned_away_and_the_next_is_claimed(connection: Connection) -> None:
    connection.execute(text("DELETE FROM jobs"))
    strange, known = create(connection, pipeline="strange"), create(connection)

    def found() -> list[tuple[str, int]]:
        rows = work.work(connection, worker(), claims=[Claim(str(uuid4()), "wake-up")], trusted=TRUSTED)
        return [(what(row), row.id) for row in rows]

    assert found() == [("lacking", strange)]
    assert state(connection, strange)["turned_away"] == {"refused_by": []}
    assert kinds(connection, strange) == ["created"]
    assert found() == [("claimed", known)]


def test_a_later_attempt_begins_at_the_first_unfinished_step(connection: Connection, job: int) -> None:
    claim(connection, job)
    finish(connection, job, attempt=1, step=1)
    assert give_back(connection, job) == "PENDING"
    waiting = state(connection, job)
    assert [each["status"] for each in waiting["steps"]] == ["COMPLETED", "FAILED"]
    again = claim(connection, job, by="w2")
    assert (again.attempt, again.current_step, again.step_failures) == (2, 2, 1)
    assert again.outputs == {"one": {"step": 1}}
    steps = state(connection, job)["steps"]
    assert [(each["attempt"], each["status"]) for each in steps] == [(1, "COMPLETED"), (2, "IN_PROGRESS")]


def test_an_attempt_that_lost_its_job_can_write_nothing(connection: Connection, job: int) -> None:
    claim(connection, job)
    give_back(connection, job)
    claim(connection, job, by="w2")
    before = state(connection, job)
    assert finish(connection, job, attempt=1, step=1) is None
    assert give_back(connection, job) is None
    assert transitions.progress(connection, job_id=job, token=tokens[job, 1], fraction=0.5, message="late") is None
    assert transitions.cancel_asked(connection, job_id=job, token=tokens[job, 1]) is None
    after = state(connection, job)
    clocks = dict.fromkeys(("seconds_until_due", "running_seconds"))
    assert {**after, **clocks} == {**before, **clocks}


def test_a_claim_that_a_failover_has_lost_can_write_nothing(connection: Connection, job: int) -> None:
    """Its commit is gone, and the next claim has the number that it had."""
    connection.exec_driver_sql("BEGIN")
    lost = claim(connection, job)
    connection.exec_driver_sql("ROLLBACK")
    held = claim(connection, job, by="w2")
    assert lost.attempt == held.attempt
    before = state(connection, job)["events"]
    own: dict[str, Any] = {"job_id": job, "token": lost.token}
    ends = [End(step=1, output='"late"', **own)]
    outcome = states.lost(failures=0, max_attempts=9, silent=0)
    assert [*work.work(connection, worker(), ends=ends)] == []
    assert transitions.stop(connection, outcome=outcome, **own) is None
    assert transitions.progress(connection, fraction=0.5, message="late", **own) is None
    assert transitions.cancel_asked(connection, **own) is None
    assert transitions.held(connection, [(job, lost.token), (job, held.token)]) == {held.token: False}
    assert not effects.record(connection, step="one", name="charge", result="1", **own)
    assert state(connection, job)["events"] == before
    assert finish(connection, job, attempt=1, step=1).current_step == 2
    assert [*work.work(connection, worker(), ends=ends)] == []


def test_a_finish_asked_again_changes_nothing(connection: Connection, job: int) -> None:
    claim(connection, job)
    first, second = (finish(connection, job, attempt=1, step=1) for _ in range(2))
    assert first == second
    assert kinds(connection, job) == ["created", "started", "step_completed"]
    finish(connection, job, attempt=1, step=2)
    ended, again = (finish(connection, job, attempt=1, step=3) for _ in range(2))
    assert ended.status == again.status == "COMPLETED"
    assert kinds(connection, job)[-1] == "completed"


def test_nothing_is_written_after_the_end(connection: Connection, job: int) -> None:
    claim(connection, job)
    for step in (1, 2, 3):
        finish(connection, job, attempt=1, step=step)
    before = state(connection, job)["events"]
    assert claim(connection, job) is None
    assert give_back(connection, job) is None
    assert state(connection, job)["events"] == before


def test_a_cancel_is_heard_between_steps(connection: Connection, job: int) -> None:
    claim(connection, job)
    connection.execute(text("UPDATE jobs SET cancel_requested = true WHERE id = :id"), {"id": job})
    assert transitions.progress(connection, job_id=job, token=tokens[job, 1], fraction=0.5, message=None) is True
    assert finish(connection, job, attempt=1, step=1).status == "CANCELLED"
    ended = state(connection, job)
    assert [each["status"] for each in ended["steps"]] == ["COMPLETED"]
    assert kinds(connection, job) == ["created", "started", "progress", "cancelled"]


def test_a_job_that_is_not_due_or_not_there_cannot_be_claimed(connection: Connection, job: int) -> None:
    connection.execute(text("UPDATE jobs SET run_at = now() + interval '1 hour' WHERE id = :id"), {"id": job})
    assert claim(connection, job) is None
    assert claim(connection, 2**40) is None


@pytest.mark.parametrize(("kind", "name"), [("queue", "celery"), ("pipeline", "demo")])
def test_a_job_is_not_claimed_that_was_paused_since_it_was_seen(
    connection: Connection, job: int, kind: str, name: str
) -> None:
    limits.change(connection, kind, name, paused=True, changes={})
    try:
        claim(connection, job)
        assert state(connection, job)["attempt"] == 0
    finally:
        connection.execute(text("DELETE FROM job_controls"))


def test_no_release_is_woken_for_what_waits_in_a_paused_queue(connection: Connection, job: int) -> None:
    statement = "UPDATE jobs SET turned_away = '{\"refused_by\": []}', sent_to = 'release' WHERE id = :id"
    connection.execute(text(statement), {"id": job})
    assert [each.release for each in recovery.sent_to(connection)] == ["release"]
    limits.change(connection, "queue", "celery", paused=True, changes={})
    try:
        assert recovery.sent_to(connection) == []
    finally:
        connection.execute(text("DELETE FROM job_controls"))
        connection.execute(text("DELETE FROM jobs WHERE id = :id"), {"id": job})


def test_a_job_that_has_changed_since_it_was_seen_is_not_claimed(connection: Connection, job: int) -> None:
    seen = event_count(connection, job)
    assert control.cancel(connection, [job], actor=None) == {job: "CANCELLED"}
    again: dict[str, Any] = {"from_step": None, "params": '{"other": 1}', "limit_keys": {}, "limited": []}
    assert [each.id for each in control.retry(connection, [job], **again, actor=None)] == [job]
    assert claim(connection, job, seen=seen) is None
    assert claim(connection, job).attempt == 1


def test_the_wait_for_a_lost_worker_is_no_time_of_its_steps(connection: Connection, job: int) -> None:
    claim(connection, job)
    past = """
        UPDATE jobs SET claimed_at = now() - interval '1000 s', updated_at = now() - interval '990 s',
            lease_until = now() - interval '700 s' WHERE id = :job
    """
    connection.execute(text(past), {"job": job})
    rows = recovery.lost(connection, lease=200, abilities=ABILITIES, limit=10_000)
    (lost,) = (row for row in rows if row.id == job)
    outcome = states.lost(failures=lost.failures, max_attempts=lost.max_attempts, silent=lost.silent)
    transitions.stop(connection, job_id=job, token=tokens[job, 1], outcome=outcome)
    assert 100 <= state(connection, job)["running_seconds"] < 700


@pytest.mark.parametrize("jump", [300, -300])
def test_time_by_which_the_clock_jumps_is_none_that_a_step_took(
    connection: Connection, job: int, monkeypatch: pytest.MonkeyPatch, jump: int
) -> None:
    """Or the machine slept, whose steps slept, too. A step that has begun since has its own time."""
    own, later = worker(), create(connection)
    for each in (job, later):
        work.work(connection, own, claims=[Claim(str(uuid4()), "wake-up", (each, 1))])
    shift = """
        WITH step AS (UPDATE job_steps SET started_at = started_at - :jump * interval '1 s' WHERE job_id = :job)
        UPDATE jobs SET step_until = step_until - :jump * interval '1 s' WHERE id = :job
    """
    connection.execute(text(shift), {"jump": jump, "job": job})
    monkeypatch.setattr(leases, "wake_ups", lambda: {"wake-up": None})
    now = time.monotonic()
    before = leases.Look(recovery.clock(connection) - jump - 5, now - 5, now - 5)
    leases.keep(before, worker_id=own.id)
    leases.end_late(worker_id=own.id)
    times = "SELECT extract(epoch FROM step_until - now()) FROM jobs WHERE id = ANY(:jobs) AND lease_until > now()"
    found = connection.execute(text(times), {"jobs": [job, later]}).scalars().all()
    assert [0 < seconds <= 61 for seconds in found] == [True, True]


class Request:
    """What Celery knows of a message that it carries out."""

    id = "wake-up"
    name = TaskName.RUN_JOB.value

    def __init__(self, worker_pid: int) -> None:
        self.worker_pid = worker_pid


@pytest.mark.skipif(not hasattr(os, "waitid"), reason="macOS has it since Python 3.13")
def test_a_step_whose_child_is_dead_is_lost_and_has_not_taken_too_long(connection: Connection, job: int) -> None:
    own = worker()
    work.work(connection, own, claims=[Claim(str(uuid4()), "wake-up", (job, 1))])
    connection.execute(text("UPDATE jobs SET step_until = now() - interval '1 h' WHERE id = :job"), {"job": job})
    child = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    left = Request(child.pid)
    for pid, status in ((child.pid, JobStatus.IN_PROGRESS), (os.getpid(), JobStatus.PENDING)):
        left.worker_pid = pid
        with celery_carries_out(left):
            leases.end_late(worker_id=own.id)
        assert state(connection, job)["status"] == status
    assert child.wait() == 0
    with celery_carries_out(left):
        left.worker_pid = child.pid
        assert leases.wake_ups() == {}


@contextmanager
def celery_carries_out(request: Request) -> Iterator[None]:
    """A block in which this is one of the requests that Celery knows."""
    celery_state.active_requests.add(request)
    try:
        yield
    finally:
        celery_state.active_requests.discard(request)


@pytest.mark.parametrize(("steps", "seconds", "is_taken"), [(STEPS, 1, True), (STEPS[1:], 1, False), ([], 4, True)])
def test_a_lost_job_is_taken_by_who_knows_how_often_its_step_may_fail(
    connection: Connection, job: int, steps: list[str], seconds: int, is_taken: bool
) -> None:
    """Others of another release, or with other modules, take it later, where nobody knows."""
    claim(connection, job)
    past = "UPDATE jobs SET lease_until = now() - :seconds * interval '1 s' WHERE id = :job"
    connection.execute(text(past), {"seconds": seconds, "job": job})
    abilities = json.dumps({"demo": {"steps": steps}} if steps else {})
    rows = recovery.lost(connection, lease=15, abilities=abilities, limit=10_000)
    assert (job in {row.id for row in rows}) is is_taken


def test_the_cause_of_a_job_is_that_of_its_error_also_where_a_release_before_wrote_it(
    connection: Connection, job: int
) -> None:
    claim(connection, job)
    outcome = states.lost(failures=0, max_attempts=9, silent=0)
    transitions.stop(connection, job_id=job, token=tokens[job, 1], outcome=outcome)
    seen = state(connection, job)
    (listed,) = reads.get_many(connection, [job], most=1024)
    assert seen["cause"] == listed.cause == seen["events"][-1]["cause"] == {"code": "lost"}
    connection.execute(text("UPDATE jobs SET error = 'ValueError: 7' WHERE id = :id"), {"id": job})
    assert state(connection, job)["cause"] is None


def test_what_is_asked_by_its_task_id_is_lost_where_no_step_has_raised(connection: Connection, job: int) -> None:
    claim(connection, job)
    outcome = states.lost(failures=2, max_attempts=3, silent=0)
    transitions.stop(connection, job_id=job, token=tokens[job, 1], outcome=outcome)
    told = get_outcome(state(connection, job)["task_id"])
    assert (told.status, told.error) == ("FAILURE", Error(type="Lost", message=outcome.message))


def test_a_step_that_raises_our_words_by_itself_has_no_cause(connection: Connection, job: int) -> None:
    claim(connection, job)
    words = states.lost(failures=0, max_attempts=9, silent=0).message
    outcome = states.failed(words, error=None, failures=0, max_attempts=9, retryable=True, pause=0)
    transitions.stop(connection, job_id=job, token=tokens[job, 1], outcome=outcome)
    seen = state(connection, job)
    assert (seen["error"], seen["cause"], seen["events"][-1]["cause"]) == (words, None, None)


def test_what_a_step_has_logged_goes_with_it_to_another_plan(connection: Connection, job: int) -> None:
    lines = '[[0, "INFO", "a line"]]'
    logs.add(connection, [logs.Chunk(job, 1, step, step, 1, 1, lines) for step in (1, 2, 3)])
    first, _, last = STEPS
    again: dict[str, Any] = {"step_timeouts": [None] * 3, "step_keys": "{}", "hooks": "[]", "callback": "callback_url"}
    control.plan(connection, job_id=job, step_names=["before", first, last], **again)
    found = logs.find(connection, job, step=None, attempt=None, after=0, limit=10)
    assert [(each.last, each.step) for each in found] == [(1, 2), (2, 0), (3, 3)]


def test_how_often_a_step_has_waited_is_known_though_another_release_refuses_it(
    connection: Connection, job: int
) -> None:
    claim(connection, job)
    transitions.stop(connection, job_id=job, token=tokens[job, 1], outcome=states.waits("429", seconds=0))
    claim(connection, job)
    transitions.refuse(connection, job_id=job, token=tokens[job, 2], error="no", crews=[], refusing=None)
    assert transitions.counts(connection, job_id=job, step=1) == (0, 1)
    assert [step["status"] for step in state(connection, job)["steps"]] == ["FAILED"]


def test_pages_are_newest_first(connection: Connection) -> None:
    ids = [create(connection, pipeline="paged") for _ in range(5)]
    page = reads.find(connection, JobFilter(status=[JobStatus.PENDING], pipeline="paged"), limit=3)
    assert [row.id for row in page] == ids[:1:-1]
    rest = reads.find(connection, JobFilter(pipeline="paged", before=page[-1].id), limit=3)
    assert [row.id for row in rest] == ids[1::-1]
