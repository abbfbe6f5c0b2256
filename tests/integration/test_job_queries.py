"""The statements of the pipeline against a real PostgreSQL: fence, order, repetition."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Connection, text

from background import database
from background.jobs import queries, reads, recovery_queries
from tests.support import transaction

pytestmark = pytest.mark.usefixtures("postgres")
STEPS = ["one", "two", "three"]
ABILITIES = json.dumps({"demo": {"steps": STEPS, "params": "digest"}, "other": {"steps": STEPS, "params": "digest"}})


def create(connection: Connection, *, pipeline: str = "demo") -> int:
    """A fresh PENDING job of three steps."""
    job = {
        "task_id": str(uuid4()),
        "pipeline": pipeline,
        "step_names": STEPS,
        "params": {},
        "priority": 0,
        "delay_seconds": 0,
        "max_attempts": 3,
    }
    return int(queries.create(connection, [job], actor=None)[0]["id"])


@pytest.fixture
def job() -> int:
    """A fresh PENDING job of three steps."""
    with transaction() as connection:
        return create(connection)


@pytest.fixture
def connection() -> Iterator[Connection]:
    """A connection that commits each statement."""
    with database.get_engine().connect().execution_options(isolation_level="AUTOCOMMIT") as opened:
        yield opened


def event_count(connection: Connection, job: int) -> int:
    """How many events the job has had; 0 if there is none."""
    statement = text("SELECT event_count FROM jobs WHERE id = :job")
    return int(connection.execute(statement, {"job": job}).scalar() or 0)


def claim(
    connection: Connection, job: int, *, token: str | None = None, worker: str = "w1", seen: int | None = None
) -> Any:
    """Claim with a fresh token unless one is given, and as the job is now unless it was `seen` before."""
    token = token or str(uuid4())
    return queries.claim(
        connection,
        job_id=job,
        token=token,
        worker=worker,
        worker_id=str(uuid4()),
        lease=15,
        time_limit=60,
        seen=seen or event_count(connection, job),
    )


def finish(connection: Connection, job: int, *, attempt: int, step: int) -> Any:
    """End a step with an output that names it."""
    output = f'{{"step": {step}}}'
    return queries.finish_step(
        connection, job_id=job, attempt=attempt, step=step, output=output, time_limit=60, abilities=ABILITIES
    )


def give_back(connection: Connection, job: int, *, attempt: int = 1) -> Any:
    """End an attempt so that another may begin."""
    return queries.stop(
        connection, job_id=job, attempt=attempt, status="PENDING", kind="step_failed", message="later", failed=True
    )


def state(connection: Connection, job: int) -> dict[str, Any]:
    """The job as a client sees it."""
    row = reads.get(connection, job)
    assert row is not None
    return dict(row)


def kinds(connection: Connection, job: int) -> list[str]:
    """The kinds of the job's events, which must be numbered 1, 2, 3 …"""
    events = state(connection, job)["events"]
    assert [event["number"] for event in events] == list(range(1, len(events) + 1))
    return [event["kind"] for event in events]


def test_a_job_goes_through_its_steps(connection: Connection, job: int) -> None:
    assert state(connection, job)["steps"] == []
    claimed = claim(connection, job)
    assert (claimed["attempt"], claimed["current_step"], claimed["outputs"]) == (1, 1, {})
    for step in (1, 2):
        row = finish(connection, job, attempt=1, step=step)
        assert (row["status"], row["current_step"], row["step_failures"]) == ("IN_PROGRESS", step + 1, 0)
        assert [each["status"] for each in state(connection, job)["steps"]] == ["COMPLETED"] * step + ["IN_PROGRESS"]
    assert finish(connection, job, attempt=1, step=3)["status"] == "COMPLETED"
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


def test_a_claim_asked_again_with_its_token_is_recognised(connection: Connection, job: int) -> None:
    token = str(uuid4())
    first, second = claim(connection, job, token=token), claim(connection, job, token=token)
    assert first["attempt"] == second["attempt"] == 1
    assert kinds(connection, job) == ["created", "started"]
    assert claim(connection, job) is None


def test_a_later_attempt_begins_at_the_first_unfinished_step(connection: Connection, job: int) -> None:
    claim(connection, job)
    finish(connection, job, attempt=1, step=1)
    assert give_back(connection, job) == "PENDING"
    waiting = state(connection, job)
    assert [each["status"] for each in waiting["steps"]] == ["COMPLETED", "FAILED"]
    again = claim(connection, job, worker="w2")
    assert (again["attempt"], again["current_step"], again["step_failures"]) == (2, 2, 1)
    assert again["outputs"] == {"one": {"step": 1}}
    steps = state(connection, job)["steps"]
    assert [(each["attempt"], each["status"]) for each in steps] == [(1, "COMPLETED"), (2, "IN_PROGRESS")]


def test_an_attempt_that_lost_its_job_can_write_nothing(connection: Connection, job: int) -> None:
    claim(connection, job)
    give_back(connection, job)
    claim(connection, job, worker="w2")
    before = state(connection, job)
    assert finish(connection, job, attempt=1, step=1) is None
    assert give_back(connection, job) is None
    assert queries.progress(connection, job_id=job, attempt=1, fraction=0.5, message="late") is None
    assert queries.cancel_asked(connection, job_id=job, attempt=1) is None
    after = state(connection, job)
    clocks = dict.fromkeys(("seconds_until_due", "running_seconds"))
    assert {**after, **clocks} == {**before, **clocks}


def test_a_finish_asked_again_changes_nothing(connection: Connection, job: int) -> None:
    claim(connection, job)
    first, second = (finish(connection, job, attempt=1, step=1) for _ in range(2))
    assert first == second
    assert kinds(connection, job) == ["created", "started", "step_completed"]
    finish(connection, job, attempt=1, step=2)
    ended, again = (finish(connection, job, attempt=1, step=3) for _ in range(2))
    assert ended["status"] == again["status"] == "COMPLETED"
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
    assert queries.progress(connection, job_id=job, attempt=1, fraction=0.5, message=None) is True
    assert finish(connection, job, attempt=1, step=1)["status"] == "CANCELLED"
    ended = state(connection, job)
    assert [each["status"] for each in ended["steps"]] == ["COMPLETED"]
    assert kinds(connection, job) == ["created", "started", "progress", "cancelled"]


def test_a_job_that_is_not_due_or_not_there_cannot_be_claimed(connection: Connection, job: int) -> None:
    connection.execute(text("UPDATE jobs SET run_at = now() + interval '1 hour' WHERE id = :id"), {"id": job})
    assert claim(connection, job) is None
    assert claim(connection, 2**40) is None


def test_a_job_that_has_changed_since_it_was_seen_is_not_claimed(connection: Connection, job: int) -> None:
    seen = event_count(connection, job)
    assert queries.cancel(connection, job, actor=None) == "CANCELLED"
    queries.retry(connection, job_id=job, from_step=None, params='{"other": 1}', actor=None)
    assert claim(connection, job, seen=seen) is None
    assert claim(connection, job)["attempt"] == 1


def test_the_wait_for_a_lost_worker_is_no_time_of_its_steps(connection: Connection, job: int) -> None:
    claim(connection, job)
    past = """
        UPDATE jobs SET claimed_at = now() - interval '1000 s', updated_at = now() - interval '990 s',
            lease_until = now() - interval '700 s' WHERE id = :job
    """
    connection.execute(text(past), {"job": job})
    (lost,) = (row for row in recovery_queries.lost(connection, lease=200, limit=10_000) if row["id"] == job)
    queries.stop(
        connection,
        job_id=job,
        attempt=1,
        status="PENDING",
        kind="lost",
        message="lost",
        failed=True,
        silent=lost["silent"],
    )
    assert 100 <= state(connection, job)["running_seconds"] < 700


def test_pages_are_newest_first(connection: Connection) -> None:
    ids = [create(connection, pipeline="paged") for _ in range(5)]
    page = reads.find(connection, status="PENDING", pipeline="paged", before=None, limit=3)
    assert [row["id"] for row in page] == ids[:1:-1]
    rest = reads.find(connection, status=None, pipeline="paged", before=page[-1]["id"], limit=3)
    assert [row["id"] for row in rest] == ids[1::-1]
