"""The base of every task that a canvas may use: it records its own transitions in PostgreSQL.

Recording never makes a task fail and holds it up for at most a second per transition. What becomes of
tasks that nothing waits for is written together (`batch`), of others before Celery publishes what follows.
"""

import contextlib
import json
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from uuid import UUID

import psycopg2
from billiard.einfo import ExceptionInfo
from celery import Task
from celery.exceptions import Ignore, Reject, Retry, TimeLimitExceeded
from celery.signals import task_revoked, worker_process_shutdown, worker_shutdown
from celery.worker.request import Request
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from background import database, jsontext
from background.canvas import queries, results
from background.canvas.batch import Batch, Change
from background.canvas.states import TaskState
from background.errors import Unavailable
from background.task_names import RETRIES_HEADER
from background.workers.identity import WORKER_ID

logger = logging.getLogger(__name__)

RECORD_SECONDS = 1.0
MAX_DELIVERIES = 3
RETRY_SECONDS = 0.1
TASK_SECONDS = 90
"""A canvas task is killed after this time (prefork): before Redis hands its message out again."""


Answer = TypeVar("Answer")


class WorkerLost(Exception):
    """The task was begun again and again, and each time its worker or process died under it."""


def record(statement: Callable[[Connection], Answer]) -> Answer | None:
    """Run a recording statement; a failure is logged and otherwise ignored.

    It is tried twice: connections are not asked whether they still live, which would cost as much as the statement. But
    one that did not answer in time may have been carried out.
    """
    begun = time.monotonic()
    for again in (True, False):
        try:
            with database.recording(seconds=RECORD_SECONDS / 2) as connection:
                return statement(connection)
        except (Unavailable, SQLAlchemyError, psycopg2.Error) as error:
            if not again or time.monotonic() - begun >= RECORD_SECONDS / 2:
                logger.warning("A transition could not be recorded: %s", error)
                break
    return None


def _write(changes: Sequence[Change]) -> None:
    now = time.monotonic()
    record(
        lambda connection: queries.changed(
            connection,
            task_ids=[each.task_id for each in changes],
            kinds=[each.kind for each in changes],
            results=[each.result for each in changes],
            ages=[now - each.at for each in changes],
        )
    )


_changes = Batch(_write)


@worker_process_shutdown.connect
@worker_shutdown.connect
def _write_what_is_left(**_: Any) -> None:
    _changes.flush()


def describe(error: BaseException) -> str:
    """An exception as JSON text with `type` and `message`."""
    message = jsontext.clean_text(str(error))
    return json.dumps({"type": type(error).__name__, "message": message}, ensure_ascii=False)


def _is_uuid(task_id: str) -> bool:
    try:
        UUID(task_id)
    except ValueError:  # a task that somebody sent himself; among others it would spoil the statement
        return False
    return True


def storable(result: Any) -> str:
    """A result as JSON text; what JSON or PostgreSQL cannot hold is kept as its `repr`."""
    try:
        return jsontext.dumps(result)
    except ValueError:
        return json.dumps(jsontext.clean_text(repr(result)), ensure_ascii=False)


class RecordedRequest(Request):
    """A request whose hard time limit is recorded by the worker's main process: the task itself is dead by then."""

    def on_timeout(self, soft: bool, timeout: float) -> None:
        """Celery calls this after it has killed the task's process."""
        super().on_timeout(soft, timeout)
        if not soft:
            task_id, error = str(self.id), describe(TimeLimitExceeded(timeout))
            record(
                lambda connection: queries.settled(connection, task_id=task_id, state=TaskState.FAILURE, error=error)
            )


@task_revoked.connect
def _record_revoked(request: Any, **_: Any) -> None:
    task_id = str(request.id)
    record(lambda connection: queries.settled(connection, task_id=task_id, state=TaskState.REVOKED))


class RecordedTask(Task):  # type: ignore[type-arg]
    """A task whose start, retries and end are recorded under its id. An id that is no run's changes nothing."""

    abstract = True
    Request = RecordedRequest  # type: ignore[assignment]  # a class is as good as its name
    # It outlives its worker as far as Redis allows: its message is acknowledged when it has ended.
    acks_late = True
    reject_on_worker_lost = True
    time_limit = TASK_SECONDS

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the task. Its success is written before Celery publishes what follows, so states change in order.

        A message may be delivered again after its worker died. A task that had succeeded is not run a second
        time then: its result goes on, as it was recorded or as Celery keeps it. One that had ended otherwise is
        dropped, and one that was begun `MAX_DELIVERIES` times fails with `WorkerLost`.
        """
        if self.request.called_directly:
            return self.run(*args, **kwargs)
        task_id, worker = str(self.request.id), str(self.request.hostname)
        known = self._begin(task_id, worker)
        if known is not None and known["state"] == TaskState.SUCCESS:
            return known["result"]
        if known is not None and known["state"] != TaskState.STARTED:
            raise Ignore
        if known is not None and known["deliveries"] > 1:
            with contextlib.suppress(Unavailable):
                kept = results.outcome(task_id)
                if kept["status"] == TaskState.SUCCESS:
                    self._succeeded(task_id, kept["result"])
                    return kept["result"]
        if known is not None and known["deliveries"] > MAX_DELIVERIES:
            raise WorkerLost(f"Begun {MAX_DELIVERIES} times; each time its worker or process died.")
        try:
            result = self.run(*args, **kwargs)
        except (Retry, Ignore, Reject):
            raise
        except Exception as error:
            allowed = int(self.request.get(RETRIES_HEADER) or 0)
            if self.request.retries >= allowed:
                raise
            headers = {RETRIES_HEADER: str(allowed)}
            raise self.retry(exc=error, countdown=RETRY_SECONDS, max_retries=allowed, headers=headers) from error
        self._succeeded(task_id, result)
        return result

    @property
    def _may_wait(self) -> bool:
        """Whether changes may be written with others: nothing waits for the task, and Celery keeps its result."""
        request = self.request
        followed = request.callbacks or request.errbacks or request.chain or request.chord
        return not (followed or request.ignore_result or self.ignore_result) and _is_uuid(str(request.id))

    def _begin(self, task_id: str, worker: str) -> dict[str, Any] | None:
        values = {"task_id": task_id, "worker": worker, "worker_id": WORKER_ID}
        if self._may_wait and not self.request.retries:
            is_first = record(lambda connection: queries.begun(connection, **values))
            if is_first:
                _changes.add(task_id, "started")
            if is_first or is_first is None:
                return None
        return record(lambda connection: queries.started(connection, **values))

    def _succeeded(self, task_id: str, result: Any) -> None:
        text = storable(result)
        if self._may_wait:
            _changes.add(task_id, "success", text)
        else:
            record(
                lambda connection: queries.settled(connection, task_id=task_id, state=TaskState.SUCCESS, result=text)
            )

    def on_retry(
        self,
        exc: Exception,
        task_id: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        einfo: ExceptionInfo,
    ) -> None:
        """Celery calls this when the task will be tried again."""
        retries, error = self.request.retries + 1, describe(exc)
        _changes.flush()
        record(lambda connection: queries.retried(connection, task_id=task_id, retries=retries, error=error))

    def on_failure(
        self,
        exc: Exception,
        task_id: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        einfo: ExceptionInfo,
    ) -> None:
        """Celery calls this when the task has failed for good."""
        error = describe(exc)
        _changes.flush()
        record(lambda connection: queries.settled(connection, task_id=task_id, state=TaskState.FAILURE, error=error))
