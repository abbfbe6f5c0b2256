"""What recovery makes of tasks that are recorded as waiting or running: it asks Celery's results, and believes them."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from background import broker
from background.canvas import queries, reads, recovery, service
from background.canvas.builder import Group, Task
from background.canvas.results import outcome
from background.canvas.spec import to_json
from background.celery import celery_app
from background.task_names import TaskName
from tests.support import transaction

pytestmark = pytest.mark.usefixtures("postgres", "valkey")
AGO = text("""
WITH run AS (UPDATE runs SET updated_at = now() - :run * interval '1 second' WHERE task_id = :id RETURNING id)
UPDATE run_tasks SET started_at = now() - interval '1 minute' FROM run WHERE run_id = run.id AND state = 'STARTED'
""")


@pytest.fixture
def group() -> Iterator[list[str]]:
    """The ids of two tasks that run on a worker which nobody has heard of."""
    members = (Task(TaskName.ECHO, (1,)), Task(TaskName.ECHO, (2,)))
    canvas = Group(members)
    ids = [task.id for task in members]
    with transaction() as connection:
        queries.create(
            connection,
            task_id=canvas.id,
            run_type="group",
            code="",
            canvas=to_json(canvas),
            epoch=broker.epoch(new=str(uuid4())),
            edges=[],
            result_ids=ids,
            tasks=[{"id": task.id, "task": task.name.value, "args": list(task.args), "next": []} for task in members],
        )
        for each in ids:
            queries.begun(connection, task_id=each, worker="gone@h", worker_id=str(uuid4()))
    yield [canvas.id, *ids]
    celery_app.control.purge()
    with transaction() as connection:
        queries.delete(connection, canvas.id)


def past(run: str, *, seconds: int) -> None:
    """The run's last change was so long ago, the starts of its tasks longer."""
    with transaction() as connection:
        connection.execute(AGO, {"id": run, "run": seconds})


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
    assert look(run) == ("FAILURE", [("SUCCESS", 7, None), ("FAILURE", None, "Lost")])


def test_the_failure_of_last_time_is_not_that_of_a_retry(group: list[str]) -> None:
    run, first, second = group
    celery_app.backend.store_result(first, ValueError("of last time"), "FAILURE")
    celery_app.backend.store_result(second, 8, "SUCCESS")
    past(run, seconds=60)
    recovery.sweep()
    assert look(run) == ("FAILURE", [("FAILURE", None, "ValueError"), ("SUCCESS", 8, None)])
    service.retry(UUID(run))
    assert (outcome(first)["status"], outcome(second)["status"]) == ("PENDING", "SUCCESS")
    past(run, seconds=60)
    recovery.sweep()
    assert look(run) == ("PENDING", [("PENDING", None, None), ("SUCCESS", 8, None)])
