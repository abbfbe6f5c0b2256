"""Finds canvas tasks that will not come any more, and fills the gaps of the record. Every worker looks once a second.

Redis carries canvases: when it is emptied, or a worker dies, there is nothing to publish again. What can be done is
to say so, and to let `retry` go on from what had succeeded.
"""

import json
import logging
from uuid import uuid4

from sqlalchemy import RowMapping

from background import broker, database, exact, log_context
from background.canvas import judge, recovery_queries, results, task_queries
from background.canvas.recording import describe
from background.canvas.states import LOST, TaskState
from background.celery import VISIBILITY_SECONDS
from background.settings import get_settings

logger = logging.getLogger(__name__)

SILENCE_SECONDS = 1.5 * VISIBILITY_SECONDS
"""After this long Celery has forgotten what it owed: a message that was held has been handed out again by then."""
UNPUBLISHED_SECONDS = 10.0


def sweep() -> None:
    """Record what is lost, and what has ended without being recorded. Raises `Unavailable`."""
    epoch = broker.epoch(new=str(uuid4()))
    patience = get_settings().lease_seconds
    with database.transaction() as connection:
        if not recovery_queries.try_sweep_lock(connection):
            return
        for row in recovery_queries.lost_with_worker(connection, patience=patience):
            if not _fill_gap(row["id"]):
                _lose(row["id"], f"the worker {row['worker']} died or fell silent while it ran this", how="worker")
        for run_id in recovery_queries.still(connection):
            _look_into(run_id, epoch=epoch)


def _look_into(run_id: int, *, epoch: str) -> None:
    """A run in which nothing moves: has something ended, or is it gone?"""
    with database.transaction() as connection:
        row = recovery_queries.run(connection, run_id, epoch=epoch)
        if row is None:
            return
        if _is_silent(row):
            recovery_queries.close_ended(connection, run_id)
        awaited = set(judge.judge(connection, run_id).awaited)
        tasks = recovery_queries.unfinished(connection, run_id)
    expected = [task for task in tasks if task["called"] or task["id"] in awaited]
    left = [task for task in expected if not _fill_gap(task["id"])]
    if len(left) == len(expected) and not any(task["state"] == TaskState.STARTED for task in left):
        for task in left:
            if reason := _why_lost(row, task):
                how, message = reason
                _lose(task["id"], message, how=how)


def _is_silent(run: RowMapping) -> bool:
    """Whether nothing more comes of what has ended. May raise `Unavailable`.

    Where all has ended a process may have died before it could say so. Else a task that had succeeded before a retry
    may still hand its result on, as long as messages wait.
    """
    still = run["still_seconds"]
    if run["is_elsewhere"] or (run["is_settled"] and still > get_settings().lease_seconds):
        return True
    return bool(still > SILENCE_SECONDS and broker.queue_length() == 0)


def _why_lost(run: RowMapping, task: RowMapping) -> tuple[str, str] | None:
    """How a task that should come will not come any more, and the same in words; `None` while it may. May raise
    `Unavailable`.
    """
    if run["is_elsewhere"]:
        return "broker", "the broker was emptied or replaced, and this task with it"
    still, silence = run["still_seconds"], SILENCE_SECONDS
    if run["is_untouched"] and still > UNPUBLISHED_SECONDS and not broker.was_published(run["task_id"]):
        return "unpublished", "it was recorded, and whoever was to publish it died before"
    if not task["called"] and still > (get_settings().lease_seconds if results.joins_itself() else silence):
        return "silence", "Celery never called it, though all before it had succeeded"
    if task["state"] == TaskState.RETRY and still > silence and broker.queue_length() == 0:
        return "silence", "it was to be tried again, and its message never came"
    return None


def _lose(task_id: str, message: str, *, how: str) -> None:
    with log_context.bound(task_id=task_id):
        logger.warning("Task %s: %s.", task_id, message)
    _settle(task_id, TaskState.FAILURE, error=json.dumps({"type": LOST, "message": message, "how": how}))


def _fill_gap(task_id: str) -> bool:
    """Whether Celery's result backend knows the end of a task: then it is recorded. Raises `Unavailable`.

    PostgreSQL was away when it ended, or its worker was killed before it had written it.
    """
    kept = results.outcome(task_id)
    if kept["status"] == TaskState.SUCCESS:
        _settle(task_id, TaskState.SUCCESS, result=exact.dumps(kept["result"]))
    elif kept["status"] == TaskState.FAILURE:
        _settle(task_id, TaskState.FAILURE, error=describe(kept["result"]))
    else:
        return False
    return True


def _settle(task_id: str, state: TaskState, *, result: str | None = None, error: str | None = None) -> None:
    """In a transaction of its own: whoever locks several runs must lock them in their order."""
    with database.transaction() as connection:
        task_queries.settled(connection, task_id=task_id, state=state, result=result, error=error)
        for run_id in task_queries.closed(connection, closed=[task_id]):
            judge.judge(connection, run_id)
