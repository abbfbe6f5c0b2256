"""Finds canvas tasks that will not come any more, and fills the gaps of the record. Every worker looks once a second.

Redis carries canvases: when it is emptied, or a worker dies, there is nothing to publish again. What can be done is
to say so, and to let `retry` go on from what had succeeded.
"""

import json
import logging
from uuid import uuid4

from background import broker, database
from background.canvas import queries, recovery_queries, results
from background.canvas.recorder import describe, storable
from background.canvas.states import TaskState
from background.settings import get_settings

logger = logging.getLogger(__name__)


def sweep() -> None:
    """Record what is lost, and what has ended without being recorded. Raises `Unavailable`."""
    epoch = broker.epoch(new=str(uuid4()))
    patience = get_settings().lease_seconds
    with database.transaction() as connection:
        if not recovery_queries.try_sweep_lock(connection):
            return
        for task_id in recovery_queries.quiet(connection):
            _fill_gap(task_id)
        for row in recovery_queries.lost_with_worker(connection, patience=patience):
            task_id = str(row["id"])
            if not _fill_gap(task_id):
                _lose(task_id, f"the worker {row['worker']} was lost while it ran this")
        for task_id in recovery_queries.lost_with_broker(connection, epoch=epoch):
            _lose(task_id, "the broker was emptied or replaced, and this task with it")


def _lose(task_id: str, message: str) -> None:
    logger.warning("Task %s: %s.", task_id, message)
    _settle(task_id, TaskState.FAILURE, error=json.dumps({"type": queries.LOST, "message": message}))


def _fill_gap(task_id: str) -> bool:
    """Whether Celery's result backend knows the end of a task: then it is recorded. Raises `Unavailable`.

    PostgreSQL was away when it ended, or its worker was killed before it had written it.
    """
    kept = results.outcome(task_id)
    if kept["status"] == TaskState.SUCCESS:
        _settle(task_id, TaskState.SUCCESS, result=storable(kept["result"]))
    elif kept["status"] == TaskState.FAILURE:
        _settle(task_id, TaskState.FAILURE, error=describe(kept["result"]))
    else:
        return False
    return True


def _settle(task_id: str, state: TaskState, *, result: str | None = None, error: str | None = None) -> None:
    """In a transaction of its own: whoever locks several runs must lock them in their order."""
    with database.transaction() as connection:
        queries.settled(connection, task_id=task_id, state=state, result=result, error=error)
