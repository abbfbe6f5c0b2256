"""Writes what happens to tasks into PostgreSQL, from a worker.

It never makes a task fail and holds it up for at most a second per transition. What becomes of tasks is written
together (`batch`); where something follows, before Celery publishes that. What PostgreSQL does not take is tried again.
"""

import contextlib
import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import psycopg2
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from background.base import jsontext
from background.base.errors import Unavailable
from background.canvas import judge
from background.canvas.batch import Batch, Change
from background.canvas.sql import runs, tasks
from background.canvas.states import TaskState
from background.canvas.trees import call_id
from background.storage import database, lanes
from background.workers.identity import WORKER_ID

logger = logging.getLogger(__name__)

RECORD_SECONDS = 1.0
Answer = TypeVar("Answer")


def record(statement: Callable[[Connection], Answer], *, together: bool = False) -> Answer | None:
    """`ask`, without an answer where PostgreSQL is not available."""
    with contextlib.suppress(Unavailable):
        return ask(statement, together=together)
    return None


def ask(statement: Callable[[Connection], Answer], *, together: bool = False) -> Answer | None:
    """Run a recording statement. A failure is logged, and raised where it is `Unavailable`: it may be tried again.

    Without canvas nothing is recorded. Each statement commits by itself, unless they are to stand `together` in one
    transaction.

    It is tried twice: connections are not asked whether they still live, which would cost as much as the statement. But
    one that did not answer in time may have been carried out.
    """
    begun = time.monotonic()
    for again in (True, False):
        try:
            with (database.transaction if together else lanes.recording)(seconds=RECORD_SECONDS / 2) as connection:
                return statement(connection) if database.has_canvas(connection) else None
        except (Unavailable, SQLAlchemyError, psycopg2.Error) as error:
            if not again or time.monotonic() - begun >= RECORD_SECONDS / 2:
                logger.warning("A transition could not be recorded: %s", error)
                if isinstance(error, Unavailable):
                    raise
                break
    return None


def describe(error: BaseException) -> str:
    """An exception as JSON text with `type` and `message`."""
    return told(type(error).__name__, str(error))


def told(kind: str, message: str) -> str:
    """An error of this type as JSON text."""
    return json.dumps({"type": kind, "message": jsontext.clean_text(message)}, ensure_ascii=False)


def settle(task_id: str, state: TaskState, *, error: str | None = None) -> None:
    """The task has ended without success, and nothing more will come of it."""
    changes.add(task_id, state.lower(), result=error, can_wait=True)
    changes.add(task_id, "closed")  # also where its end is known
    changes.write()


def started(*, task_id: str, worker: str, retries: int = 0, at: float | None = None) -> tasks.Started | None:
    """Record that the task has started: see `tasks.started`. Raises `Unavailable`.

    `at` by `time.monotonic` if that was before, and may be recorded already. What it held up while it was lost may run
    now, unless others hold it up, too.
    """
    known = ask(
        lambda connection: tasks.started(
            connection,
            task_id=task_id,
            worker=worker,
            worker_id=WORKER_ID,
            retries=retries,
            age=time.monotonic() - at if at is not None else 0,
            may_be_known=at is not None,
        )
    )
    if known is not None and known.revived is not None:
        _judge(known.revived)
    return known


def _judge(number: int) -> None:
    record(lambda connection: judge.judge(connection, number), together=True)


def note_sent(sent: Mapping[str, tasks.Sent]) -> dict[str, tasks.Call]:
    """Note messages that have been sent; gives the calls by the ids of their tasks in the record.

    They are of tasks that were planned, perhaps as one of several calls, or of such as nobody knew of.
    """
    ids = list(sent)
    calls = {id_: tasks.Call(each.due_at, each.queue) for id_, each in sent.items()}
    for id_ in record(lambda connection: tasks.unknown(connection, ids)) or ():
        each = sent[id_]
        if call := find_call(id_, each.parent_id, each.root_id):
            calls[call] = calls.pop(id_)
        else:
            record(lambda connection, each=each: tasks.adopt(connection, each))  # type: ignore[misc]
    return calls


def find_call(task_id: str, parent_id: str | None, root_id: str | None, *, again: bool = False) -> str | None:
    """The id under which one of several calls of a task stands in the record, if there are such.

    It is the one that was planned from this parent; or else the next of them, which has the task's own id from then on.
    `again`: it is tried again, and Celery does not say any more from where it came.
    """

    def find(connection: Connection) -> str | None:
        number, states = runs.lock_run_of(connection, [parent_id, root_id])
        exact = call_id(task_id, str(parent_id))
        calls = [call_id(task_id, each) for each in states]
        if waiting := [call for call in calls if again and states.get(call) == TaskState.RETRY]:
            return waiting[0]
        if task_id in states or exact in states:
            return task_id if task_id in states else exact
        for call in calls:
            if states.get(call) in (TaskState.PENDING, TaskState.SKIPPED):
                runs.rename(connection, number, call, task_id)
                return task_id
        return None

    return record(find, together=True)


def _write(changes: Sequence[Change]) -> Sequence[Change]:
    changes = _joined(changes)
    before = [change for change in changes if change.kind in ("begun", "found")]
    others = [change for change in changes if change.kind not in ("begun", "found", "closed")]
    closed = [change.task_id for change in changes if change.kind == "closed"]
    sent = {id_: each for change in changes for id_, each in change.sent.items()}
    numbers: set[int] = set()
    try:
        while before:
            _write_before(before[0])
            del before[0]
        called = note_sent(sent) if sent else {}
        if others:
            numbers |= set(ask(lambda connection: _changed(connection, others)) or ())
            others = []
        if closed or called:
            numbers |= set(ask(lambda connection: tasks.closed(connection, closed=closed, called=called)) or ())
    except Unavailable:
        # What was not answered may have been carried out: a start is looked for, and no end is recorded twice.
        others = [each._replace(kind="begun") if each.kind == "started" else each for each in others]
        return [*before, *others, *(each._replace(kind="closed") for each in changes if _closes(each))]
    for number in record(lambda connection: tasks.to_judge(connection, numbers)) or () if numbers else ():
        _judge(number)
    return []


def _write_before(change: Change) -> None:
    """Record a start late, or that a task which was taken for lost is at work."""
    if change.kind == "begun":
        started(task_id=change.task_id, worker=str(change.worker), retries=change.retries, at=change.at)
    elif number := ask(lambda connection: tasks.revive(connection, change.task_id)):
        _judge(number)


def _closes(change: Change) -> bool:
    """Whether nothing more comes of the task."""
    return change.kind == "closed" or (change.kind in ("success", "failure", "revoked") and not change.is_open)


def _joined(changes: Sequence[Change]) -> list[Change]:
    """The same in fewer changes: what has ended and is closed, and has sent nothing meanwhile, ends closed."""
    closed = {each.task_id for each in changes if each.kind == "closed" and not each.sent}
    ended = {each.task_id for each in changes if each.is_open and each.task_id in closed}
    return [
        each._replace(is_open=False) if each.is_open and each.task_id in ended else each
        for each in changes
        if not (each.kind == "closed" and each.task_id in ended)
    ]


def _changed(connection: Connection, changes: Sequence[Change]) -> list[int]:
    now = time.monotonic()
    return tasks.changed(
        connection,
        task_ids=[each.task_id for each in changes],
        kinds=[each.kind for each in changes],
        results=[each.result for each in changes],
        ages=[now - each.at for each in changes],
        are_open=[each.is_open for each in changes],
    )


changes = Batch(_write)
"""What is to be written of this process's tasks."""
