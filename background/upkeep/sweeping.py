"""Finds canvas tasks that will not come any more, and fills the gaps of the record. Every worker looks, one at a time.

Redis carries canvases: when it is emptied, or a worker dies, there is nothing to publish again. What can be done is
to say so, and to let `retry` go on from what had succeeded.
"""

import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby
from operator import attrgetter
from uuid import uuid4

from sqlalchemy import Connection

from background.base import log_context
from background.broker import marks, queues
from background.canvas import judge, results
from background.canvas.asking import RECORD_SECONDS
from background.canvas.sql import recovery, tasks
from background.canvas.states import LOST, TaskState
from background.celery import VISIBILITY_SECONDS
from background.settings import get_settings
from background.storage import database, pools
from background.storage.locks import Lock, try_lock

logger = logging.getLogger(__name__)

SILENCE_SECONDS = 1.5 * VISIBILITY_SECONDS
"""After this long Celery has forgotten what it owed: a message that was held has been handed out again by then."""
UNPUBLISHED_SECONDS = 10.0
PASS_SECONDS = 1.0
"""What is not done by then is left to the next pass."""


def sweep() -> None:
    """Record what is lost, and what has ended without being recorded. Raises `Unavailable`.

    Nothing of either kind is there while no run waits.
    """
    until = time.monotonic() + PASS_SECONDS
    with database.transaction() as connection:
        if not try_lock(connection, Lock.SWEEP):  # one that looks at a time is enough
            return
        epoch = marks.epoch(new=str(uuid4()))
        for look in _looks(connection, epoch):
            look()
            if time.monotonic() > until:
                break


def _looks(connection: Connection, epoch: str) -> Iterator[Callable[[], None]]:
    """What there is to do, each in a transaction of its own: whoever locks several runs must do so in their order."""
    lost = recovery.lost_with_worker(connection, patience=get_settings().lease_seconds)
    for number, running in groupby(sorted(lost), key=attrgetter("run_id")):
        yield partial(_lose_with_worker, number, list(running))
    for number in recovery.left_behind(connection, epoch=epoch):
        yield partial(_look_into, number, epoch=epoch)
    with pools.recording(seconds=RECORD_SECONDS) as recording:
        rows = recovery.next_still(
            recording,
            epoch=epoch,
            patience=get_settings().lease_seconds,
            silence=SILENCE_SECONDS,
            unpublished=UNPUBLISHED_SECONDS,
            known=marks.PUBLISHED_SECONDS,
        )
    published = marks.published([row.task_id for row in rows if row.is_untouched])
    ended = results.ends([id_ for row in rows if not row.is_odd for id_ in row.waiting])
    if silent := [row for row in rows if row.is_silent]:
        _messages.go_on(*{each for row in silent for each in row.queues})
    for row in rows:
        is_unpublished = row.is_untouched and row.task_id not in published
        is_gone = row.waiting and _is_gone(row, row.waiting)
        if row.is_odd or is_unpublished or is_gone or not ended.keys().isdisjoint(row.waiting):
            yield partial(_look_into, row.id, epoch=epoch)


def _lose_with_worker(number: int, rows: Sequence[recovery.LostTask]) -> None:
    """Record as lost what a worker ran of a run that is not there any more, and what had ended of it as ended."""
    ended = results.ends([row.id for row in rows])
    reasons = {
        row.id: ("worker", f"the worker {row.worker} died or fell silent while it ran this")
        for row in rows
        if row.id not in ended
    }
    _end(number, ended, reasons, dict.fromkeys(reasons, TaskState.STARTED))


def _look_into(number: int, *, epoch: str) -> None:
    """A run in which nothing moves: has something ended, or is it gone?

    Of what was called after that the ends may stand there, too.
    """
    known = set[str]()
    while not known.issuperset(found := _fill_in(number, epoch=epoch)):
        known |= found


def _fill_in(number: int, *, epoch: str) -> set[str]:
    """Record what has ended, or else that tasks which should come are lost; gives those that have ended.

    So may an error callback of which it is not known that it was called.
    """
    with database.transaction() as connection:
        patience = get_settings().lease_seconds
        row = recovery.run(connection, number, epoch=epoch, patience=patience, silence=SILENCE_SECONDS)
        if row is None:
            return set()
        # Where all has ended a process may have died before it could say so.
        is_gone = _is_gone(row, row.ids)
        if row.is_elsewhere or is_gone or (row.is_settled and row.still_seconds > patience):
            recovery.close_ended(connection, number)
        awaited = set(judge.judge(connection, number).awaited)
        left = recovery.unfinished(connection, number)
    expected = [task for task in left if task.called or task.id in awaited]
    uncalled = {task.id for task in left} - {task.id for task in expected}
    ended = results.ends([task.id for task in left], uncalled=uncalled)
    reasons = {}
    if not ended and not any(task.state == TaskState.STARTED for task in expected):
        reasons = {task.id: reason for task in expected if (reason := _why_lost(row, task, is_gone=is_gone))}
    _end(number, ended, reasons, {task.id: task.state for task in expected})
    return set(ended)


_messages = queues.Inventory()


def _is_gone(run: recovery.Looked | recovery.StillRun, ids: Sequence[str]) -> bool:
    """Whether nothing has happened in the run for long, and the broker holds no message with one of these ids.

    What a worker that died had not acknowledged it still holds, until it hands it out again.
    What had succeeded before a retry has a message, too, with which it hands its result on.
    """
    return run.is_silent and _messages.lacks(ids, *run.queues, since=time.monotonic() - run.still_seconds)


def _why_lost(run: recovery.Looked, task: recovery.Unfinished, *, is_gone: bool) -> tuple[str, str] | None:
    """How a task that should come will not come any more, and the same in words; `None` while it may. May raise
    `Unavailable`.
    """
    if run.is_elsewhere:
        return "broker", "the broker was emptied or replaced, and this task with it"
    still, silence = run.still_seconds, SILENCE_SECONDS
    is_known = UNPUBLISHED_SECONDS < still < marks.PUBLISHED_SECONDS
    if run.is_untouched and is_known and not marks.published([run.task_id]):
        message = "the broker knows nothing of its message: it never came, or the broker died before it had stored it"
        return "unpublished", message
    if not task.called and still > (get_settings().lease_seconds if results.joins_itself() else silence):
        if task.is_replaced:
            return "replaced", "what it put in its place has ended, and nothing of that under its id"
        message = "nothing was heard of it, though all before it had succeeded: it was not called, or not recorded"
        return "silence", message
    if is_gone:
        return "broker", "its message is neither in the queue nor with a worker any more"
    return None


def _end(
    number: int,
    ended: Mapping[str, results.End],
    lost: Mapping[str, tuple[str, str]],
    states: Mapping[str, str],
) -> None:
    """Record how these tasks have ended, as Celery's results say, and that those are lost, with how and why.

    But not of one that is not in the state any more in which it was seen: it has come after all.
    """
    ends = {id_: (end.state.lower(), end.text) for id_, end in ended.items()}
    if not (ends or lost):
        return
    with database.transaction() as connection:
        still = recovery.still_so(connection, number, {id_: states[id_] for id_ in lost})
        for id_, (how, message) in lost.items():
            if id_ in still:
                ends[id_] = ("failure", json.dumps({"type": LOST, "message": message, "how": how}))
                with log_context.bound(task_id=id_):
                    logger.warning("Task %s: %s.", id_, message)
        if not ends:
            return
        kinds, texts = zip(*ends.values(), strict=True)
        moved = tasks.changed(
            connection,
            task_ids=list(ends),
            kinds=list(kinds),
            results=list(texts),
            ages=[0.0] * len(ends),
            are_open=[False] * len(ends),
        )
        if moved:
            judge.judge(connection, number)
    if ended:
        marks.forget_ends(ended)
