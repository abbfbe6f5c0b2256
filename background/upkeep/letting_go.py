"""Lets go of canvas tasks that this worker has begun and does not run any more, though nobody could record their end.

The process that ran them was killed before it could, or PostgreSQL did not take it. From then on they are as tasks
whose message waits: `sweeping` finds how they ended, or that nothing of them is left. Of those whose end is recorded it
may be that nobody could say that nothing more comes of them: the message says so, once it is acknowledged.
"""

from collections.abc import Callable, Iterable

from background.canvas.asking import RECORD_SECONDS
from background.canvas.recorder import acknowledged
from background.canvas.recording import changes
from background.canvas.sql import letting_go
from background.canvas.traces import is_uuid
from background.canvas.trees import call_id
from background.storage import database, pools
from background.upkeep import requests

LOOK_SECONDS = 5.0


class Letting:
    """What was begun and is not run, as the last look found it: only what the next one finds, too, is let go.

    Its end may just be on the way. One that comes later is recorded all the same.
    """

    def __init__(self, worker_id: str) -> None:
        self._worker_id = worker_id
        self._idle: set[str] = set()
        self._done: set[str] = set()

    def watch(self, wait: Callable[[float], bool]) -> None:
        """Look again and again, until `wait` says to stop. Raises `Unavailable`."""
        while not wait(LOOK_SECONDS):
            self.look()

    def look(self) -> None:
        """Look once more. Raises `Unavailable`."""
        before, self._idle = self._idle, set()
        running = _running()
        with pools.recording(seconds=RECORD_SECONDS) as connection:
            if not database.has_canvas(connection):
                return
            self._idle = letting_go.idle(connection, self._worker_id, running=running)
            if gone := before & self._idle:
                letting_go.let_go(connection, self._worker_id, gone)
            unclosed = letting_go.unclosed(connection, done) if (done := self._done - running) else ()
        for each in unclosed:
            changes.add(each, "closed", can_wait=True)
        changes.flush()
        self._done &= running  # a task may acknowledge its message before it runs
        self._done |= _ids(acknowledged.popleft() for _ in range(len(acknowledged)))


def _running() -> set[str]:
    """The ids under which the record may have what this worker has taken and not ended."""
    return _ids((str(each.id), str(each.parent_id)) for each in requests.taken())


def _ids(messages: Iterable[tuple[str, str]]) -> set[str]:
    """The ids under which the record may have the tasks of messages with these ids and parents."""
    known = [(id_, parent) for id_, parent in messages if is_uuid(id_)]
    return {id_ for id_, _ in known} | {call_id(id_, parent) for id_, parent in known}
