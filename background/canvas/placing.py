"""Where in the record a task stands that Celery sends, or that begins: not always under the id of its message."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from background.canvas.asking import ask
from background.canvas.sql import places, tasks
from background.canvas.states import TaskState
from background.canvas.trees import call_id


def place(sent: places.Sent, *, again: bool = False) -> str:
    """The id in the record of a task of whose message no run has the id. Raises `Unavailable`.

    It is one of several calls of a task (see `_find_call`); or else nobody planned it, and it is put into the record.
    """
    if call := _find_call(sent, again=again):
        return call
    if sent.parent_id or sent.root_id not in (None, sent.task_id):
        ask(lambda connection: places.adopt(connection, sent))
    return sent.task_id


@dataclass
class Place:
    """What finds the place of a task once, when it can be asked for: it could not when the task began.

    `again` as for `place`.
    """

    sent: places.Sent
    again: bool = False
    found: str | None = None

    @property
    def ids(self) -> list[str]:
        """The ids under which the record may have the task, as far as that is known without asking."""
        sent = self.sent
        return [self.found] if self.found else [sent.task_id, call_id(sent.task_id, str(sent.told_parent_id))]

    def find(self) -> str:
        """The id of the task in the record. Raises `Unavailable`."""
        if self.found is None:
            id_ = self.sent.task_id
            is_unknown = ask(lambda connection: places.unknown(connection, [id_]))
            self.found = place(self.sent, again=self.again) if is_unknown else id_
        return self.found


def note_sent(sent: Mapping[str, places.Sent]) -> dict[str, tasks.Call]:
    """Note messages that have been sent; gives the calls by the ids of their tasks in the record.

    They are of tasks that were planned, perhaps as one of several calls, or of such as nobody knew of. Raises
    `Unavailable`.
    """
    ids = list(sent)
    calls = {id_: tasks.Call(each.due_at, each.queue) for id_, each in sent.items()}
    for id_ in ask(lambda connection: places.unknown(connection, ids)) or ():
        call = calls.pop(id_)
        calls[place(sent[id_])] = call
    return calls


def _find_call(sent: places.Sent, *, again: bool) -> str | None:
    """The id under which one of several calls of a task stands in the record, if there are such.

    It is the one that was planned from the parent that the message tells, whoever asks: who sends it, or who begins it.
    Or else the next of them, which has the task's own id from then on. Of a body that never ran Celery tells an id that
    may be no task's, where it calls its error callbacks: none of these is of a task that has succeeded. `again`: it is
    tried again, and Celery does not say any more from where it came.
    """
    task_id = sent.task_id

    def find(connection: Connection) -> str | None:
        number, states = places.lock_run_of(connection, [sent.told_parent_id, sent.parent_id, sent.root_id, task_id])
        exact = call_id(task_id, str(sent.told_parent_id))
        calls = [call_id(task_id, each) for each in states]
        if retried := [call for call in calls if again and states.get(call) == TaskState.RETRY]:
            return retried[0]
        if task_id in states or exact in states:
            return task_id if task_id in states else exact
        owners = dict(zip(calls, states, strict=True))
        waiting = [call for call in calls if states.get(call) in (TaskState.PENDING, TaskState.SKIPPED)]
        if sent.told_parent_id not in states:
            waiting.sort(key=lambda call: states[owners[call]] == TaskState.SUCCESS)
        if waiting:
            places.rename(connection, number, waiting[0], task_id)
            return task_id
        return None

    return ask(find, together=True)
