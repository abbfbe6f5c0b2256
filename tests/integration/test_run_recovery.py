"""What recovery makes of tasks that are recorded as waiting or running: it asks Celery's results, and believes them."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from background import broker
from background.canvas import judge, reads, recovery, service, task_queries
from background.canvas.judge import Judgement
from background.canvas.spec import chain, task
from background.canvas.spec import group as group_of
from background.celery import celery_app
from background.task_names import TaskName
from tests.support import record_only, transaction, wait_for

pytestmark = pytest.mark.usefixtures("postgres", "valkey")
AGO = text("""
WITH run AS (UPDATE runs SET updated_at = now() - :run * interval '1 second' WHERE id = :id RETURNING id)
UPDATE run_tasks SET started_at = now() - interval '1 minute' FROM run WHERE run_id = run.id AND state = 'STARTED'
""")


@pytest.fixture
def group() -> Iterator[list[str]]:
    """The ids of a run and of its two tasks, which run on a worker that nobody has heard of."""
    members = [task(TaskName.ECHO, 1), task(TaskName.ECHO, 2)]
    ids = record_only(group_of(members), epoch=broker.epoch(new=str(uuid4())))
    with transaction() as connection:
        for each in ids[1:]:
            task_queries.begun(connection, task_id=each, worker="gone@h", worker_id=str(uuid4()))
    yield ids
    celery_app.control.purge()
    with transaction() as connection:
        connection.execute(text("DELETE FROM runs WHERE status = 'PENDING' OR task_id = :id"), {"id": ids[0]})


def past(run: str, *, seconds: int) -> None:
    """The run's last change was so long ago, the starts of its tasks longer."""
    with transaction() as connection:
        row = reads.number_of(connection, run)
        assert row is not None
        connection.execute(AGO, {"id": row["id"], "run": seconds})


def look(run: str) -> tuple[str, list[tuple[str, Any, Any]]]:
    """The run's status, and the state, the result and the kind of error of each task."""
    with transaction() as connection:
        row = reads.get(connection, run, patience=60)
    assert row is not None
    tasks = row["tasks"]
    return row["status"], [(each["state"], each["result"], (each["error"] or {}).get("type")) for each in tasks]


def test_of_a_lost_workers_tasks_those_that_had_succeeded_are_not_lost(group: list[str]) -> None:
    run, first, _ = group
    celery_app.backend.store_result(first, 7, "SUCCESS")
    past(run, seconds=0)  # Something else in this run has just moved: it is not quiet.
    recovery.sweep()
    assert look(run) == ("FAILURE", [("SUCCESS", "7", None), ("FAILURE", None, "Lost")])


def test_what_failed_runs_again_under_new_ids(group: list[str]) -> None:
    """So nothing that Celery or a worker remembers of the last time can pass for what becomes of it now."""
    run, first, second = group
    celery_app.backend.store_result(first, ValueError("of last time"), "FAILURE")
    celery_app.backend.store_result(second, 8, "SUCCESS")
    past(run, seconds=60)
    recovery.sweep()
    assert look(run) == ("FAILURE", [("FAILURE", None, "ValueError"), ("SUCCESS", "8", None)])
    service.retry(UUID(run))
    past(run, seconds=60)
    recovery.sweep()
    assert look(run) == ("PENDING", [("PENDING", None, None), ("SUCCESS", "8", None)])
    with transaction() as connection:
        again = reads.get(connection, first, patience=60)
        assert again is not None
        assert again["tasks"][0]["id"] == str(again["asked"])
        assert not {task["id"] for task in again["tasks"]} & set(group)
        assert str(again["task_id"]) not in group


def test_what_celery_never_calls_is_lost_in_the_end(valkey: object) -> None:
    run, first, second = record_only(
        chain(task(TaskName.ECHO, 1), task(TaskName.ECHO)), epoch=broker.epoch(new=str(uuid4()))
    )
    with transaction() as connection:
        task_queries.settled(connection, task_id=first, state="SUCCESS", result="1")
    assert judged(run).awaited == [second]
    past(run, seconds=10)
    recovery.sweep()
    assert look(run)[0] == "STARTED"
    past(run, seconds=60)
    wait_for(lambda: swept(run)[0] != "STARTED", what="the end")
    assert look(run) == ("FAILURE", [("SUCCESS", "1", None), ("FAILURE", None, "Lost")])


def test_what_waits_behind_others_after_a_retry_is_not_lost(valkey: object) -> None:
    run, first, second = record_only(
        chain(task(TaskName.ECHO, 1), task(TaskName.FAIL)), epoch=broker.epoch(new=str(uuid4()))
    )
    with transaction() as connection:
        for each, state in ((first, "SUCCESS"), (second, "FAILURE")):
            task_queries.settled(connection, task_id=each, state=state, result="1" if each == first else None)
    assert judged(run).ended
    service.retry(UUID(run))
    waits = ("PENDING", [("SUCCESS", "1", None), ("PENDING", None, None)])
    for seconds in (60, 600):
        past(run, seconds=seconds)
        looked_into(run)
        assert look(run) == waits
    celery_app.control.purge()
    looked_into(run)
    assert look(run) == ("FAILURE", [("SUCCESS", "1", None), ("FAILURE", None, "Lost")])


def test_a_run_of_which_all_has_ended_is_closed_though_nobody_said_so(valkey: object) -> None:
    run, first, second = record_only(
        chain(task(TaskName.ECHO, 1), task(TaskName.ECHO)), epoch=broker.epoch(new=str(uuid4()))
    )
    with transaction() as connection:
        for each in (first, second):
            task_queries.settled(connection, task_id=each, state="SUCCESS", result="1", closed=False)
    past(run, seconds=60)
    looked_into(run)
    assert look(run) == ("SUCCESS", [("SUCCESS", "1", None)] * 2)


def looked_into(run: str) -> None:
    """Another look at this run, which stands still."""
    with transaction() as connection:
        row = reads.number_of(connection, run)
    assert row is not None
    recovery._look_into(row["id"], epoch=broker.epoch(new=str(uuid4())))


def swept(run: str) -> tuple[str, list[tuple[str, Any, Any]]]:
    """The run after another look at some that stand still."""
    recovery.sweep()
    return look(run)


def judged(run: str) -> Judgement:
    """What is said of the run now."""
    with transaction() as connection:
        row = reads.number_of(connection, run)
        assert row is not None
        return judge.judge(connection, row["id"])
