"""Says that this worker lives, and looks what there is to do, in one statement."""

from threading import Lock

from background.base.errors import Unavailable
from background.broker import queues
from background.celery import queue_of, served
from background.settings import get_settings
from background.storage import database, deadlines, pools
from background.upkeep.sql import presence
from background.workers import sql as workers
from background.workers.identity import Identity

PASS_SECONDS = 1.0
LOOKS_A_SECOND = 10
"""Where there are more workers than this, each looks less often: what one finds, another need not."""


def answer_seconds() -> float:
    """Seconds that a statement of upkeep may take, so that leases are renewed in time all the same."""
    return min(deadlines.ANSWER_SECONDS, get_settings().lease_seconds / 3)


class Presence:
    """This worker in the list of workers, from `identity` being set until it leaves."""

    def __init__(self, worker_id: str) -> None:
        self.identity: Identity | None = None
        self._worker_id = worker_id
        self._lock = Lock()
        self._workers = 1

    def look(self) -> presence.ToDo:
        """Say that it lives; gives what there is to do. Raises `Unavailable`."""
        lease = get_settings().lease_seconds
        with self._lock:
            try:
                names = served()
                own = [queue_of(self.identity.release).name] if self.identity else []
                queued = queues.queue_length(*names, *own)
            except Unavailable:
                queued = None
            with pools.working(seconds=answer_seconds()) as connection:
                found = presence.look(connection, self.identity, queues=names, queue_length=queued, patience=lease)
        self._workers = found.workers
        return found

    def leave(self) -> None:
        """Sign off. Raises `Unavailable`."""
        with self._lock:
            self.identity = None
            with database.transaction(seconds=1) as connection:
                workers.forget(connection, self._worker_id)

    def pause(self) -> float:
        """The seconds between two looks, also the time in which others hear that this worker lives."""
        return max(PASS_SECONDS, min(self._workers / LOOKS_A_SECOND, get_settings().lease_seconds / 4))
