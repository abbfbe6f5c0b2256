"""Writes what happens to tasks into PostgreSQL, from a worker.

What becomes of tasks is written together (`batch`); where something follows, before Celery publishes that. What
PostgreSQL does not take is tried again.
"""

import contextlib
import json
import time
from collections.abc import Callable, Sequence

from sqlalchemy import Connection

from background.base import jsontext
from background.base.errors import Unavailable
from background.broker import marks
from background.canvas import judge
from background.canvas.asking import ask, record
from background.canvas.batch import Batch, Change
from background.canvas.placing import Place, note_sent
from background.canvas.sql import tasks
from background.canvas.states import TaskState
from background.workers.identity import WORKER_ID


def describe(error: BaseException) -> str:
    """An exception as JSON text with `type` and `message`."""
    return error_text(type(error).__name__, str(error))


def error_text(kind: str, message: str) -> str:
    """An error of this type as JSON text."""
    return json.dumps({"type": kind, "message": jsontext.clean_text(message)}, ensure_ascii=False)


def settle(task_id: str, state: TaskState, *, error: str | None = None, place: Place | None = None) -> None:
    """The task has ended without success, and nothing more will come of it."""
    changes.add(task_id, state.lower(), result=error, place=place, can_wait=True)
    changes.add(task_id, "closed", place=place)  # also where its end is known
    secure(task_id, state, error, place=place)


def secure(task_id: str, state: TaskState, text: str | None, *, place: Place | None = None) -> None:
    """Write what waits; an end of which Celery keeps nothing is kept by the broker where PostgreSQL does not take it.

    So is one that Celery keeps under another id than the record. Whoever is to write it later may be killed before, and
    nobody else knows of it. `text`: its result or error.
    """
    if not changes.write():
        with contextlib.suppress(Unavailable):
            marks.keep_end([task_id] if place is None else place.ids, state.lower(), text)


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


def waits_again(change: Callable[[Connection], str | None]) -> None:
    """Record that a task which was at work waits once more; `change` gives its run, if that was cancelled.

    It does not run then.
    """

    def waits(connection: Connection) -> None:
        if run := change(connection):
            judge.cancel(connection, run)

    record(waits, together=True)


def _judge(number: int) -> None:
    record(lambda connection: judge.judge(connection, number), together=True)


def _write(changes: Sequence[Change]) -> Sequence[Change]:
    try:
        changes = _joined([_placed(change) for change in changes])
    except Unavailable:
        return changes
    before = [change for change in changes if change.kind in ("begun", "found")]
    others = [change for change in changes if change.kind not in ("begun", "found", "sent", "closed")]
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
        sending = [each for each in changes if each.kind == "sent"]
        return [*before, *others, *sending, *(each._replace(kind="closed") for each in changes if _closes(each))]
    for number in record(lambda connection: tasks.to_judge(connection, numbers)) or () if numbers else ():
        _judge(number)
    return []


def _placed(change: Change) -> Change:
    return change if change.place is None else change._replace(task_id=change.place.find(), place=None)


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
