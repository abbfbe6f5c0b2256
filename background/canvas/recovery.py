"""Finds canvas tasks that will not come any more, and fills the gaps of the record. Every worker looks once a second.

Redis carries canvases: when it is emptied, or a worker dies, there is nothing to publish again. What can be done is
to say so, and to let `retry` go on from what had succeeded.
"""

import json
import logging
from uuid import uuid4

from redis import RedisError
from sqlalchemy import Connection

from background import broker, database
from background.canvas import queries, recovery_queries
from background.canvas.recorder import describe, storable
from background.canvas.states import TaskState
from background.celery import celery_app
from background.settings import get_settings

logger = logging.getLogger(__name__)


def sweep() -> None:
    """Record what is lost, and what has ended without being recorded. Raises `Unavailable`."""
    epoch = broker.epoch(new=str(uuid4()))
    patience = get_settings().lease_seconds
    with database.transaction() as connection:
        if not recovery_queries.try_sweep_lock(connection):
            return
        _fill_gaps(connection)
        for row in recovery_queries.lost_with_worker(connection, patience=patience):
            _lose(connection, str(row["id"]), f"the worker {row['worker']} was lost while it ran this")
        for task_id in recovery_queries.lost_with_broker(connection, epoch=epoch):
            _lose(connection, task_id, "the broker was emptied or replaced, and this task with it")


def _lose(connection: Connection, task_id: str, message: str) -> None:
    logger.warning("Task %s: %s.", task_id, message)
    error = json.dumps({"type": queries.LOST, "message": message})
    queries.settled(connection, task_id=task_id, state=TaskState.FAILURE, error=error)


def _fill_gaps(connection: Connection) -> None:
    """What ended while PostgreSQL was away stands in Celery's result backend."""
    for task_id in recovery_queries.quiet(connection):
        try:
            meta = celery_app.backend.get_task_meta(task_id)
        except (RedisError, OSError) as error:
            logger.warning("The result backend does not answer: %s", error)
            return
        if meta["status"] == TaskState.SUCCESS:
            result = storable(meta["result"])
            queries.settled(connection, task_id=task_id, state=TaskState.SUCCESS, result=result)
        elif meta["status"] == TaskState.FAILURE:
            queries.settled(connection, task_id=task_id, state=TaskState.FAILURE, error=describe(meta["result"]))
