"""How long a thread waits for PostgreSQL: as long as whoever is owed its answer still waits.

psycopg2 waits through `wait`, which gives up at the deadline of the transaction. A server that is stopped, frozen or
cut off therefore looks the same to a caller.
"""

import contextlib
import select
import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import psycopg2
import psycopg2.extensions
from anyio.to_thread import run_sync

from background.base.errors import Unavailable

ANSWER_SECONDS = 4.0
"""How long one transaction may wait for PostgreSQL altogether: below the 5 s after which the API owes a 503."""
LOCK_SECONDS = 2.0
"""How long a statement may wait for what another transaction has: less, so that PostgreSQL can say so."""
LEAST_SECONDS = 0.2
"""Seconds for which something is tried even for one who has waited for all of that before: many such take turns."""
_limit = threading.local()
Answer = TypeVar("Answer")
_EVENTS = {
    psycopg2.extensions.POLL_READ: select.POLLIN,
    psycopg2.extensions.POLL_WRITE: select.POLLOUT,
}


def wait(connection: psycopg2.extensions.connection) -> None:
    """Wait for libpq until the deadline of the running transaction (psycopg2's "wait callback").

    Without one, in a connection of somebody else in this process, as long as it takes; but for the time in which it
    shall be made. psycopg2 itself closes the connection when this raises, whatever the reason, since a statement is
    still under way on it (psycopg/green.c, green_panic).
    """
    deadline: float | None = getattr(_limit, "deadline", None)
    if deadline is None and connection.status == psycopg2.extensions.STATUS_SETUP:
        deadline = _connect_deadline(connection)
    while (state := connection.poll()) != psycopg2.extensions.POLL_OK:
        remaining = None if deadline is None else deadline - time.monotonic()
        if remaining is not None and remaining <= 0:
            raise psycopg2.OperationalError("PostgreSQL did not answer in time")
        poll = select.poll()
        poll.register(connection.fileno(), _EVENTS[state])
        poll.poll(None if remaining is None else remaining * 1000)


def _connect_deadline(connection: psycopg2.extensions.connection) -> float | None:
    """When somebody's `connect_timeout` is over: libpq knows it, but leaves the waiting to a wait callback."""
    seconds = int(psycopg2.extensions.parse_dsn(connection.dsn).get("connect_timeout", 0))
    return time.monotonic() + seconds if seconds > 0 else None


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """A block in which this thread waits for PostgreSQL for `seconds` altogether, less what it is `late`."""
    before = getattr(_limit, "deadline", None)
    _limit.deadline = time.monotonic() + left(seconds)
    try:
        yield
    finally:
        _limit.deadline = before


@contextlib.contextmanager
def with_one_of(free: threading.Semaphore, seconds: float) -> Iterator[None]:
    """The same for one who needs a connection of so many that are `free`: the wait for it counts, too.

    Raises `Unavailable`.
    """
    began = time.monotonic()
    with time_limit(seconds):
        if not free.acquire(timeout=left(seconds)):
            raise Unavailable("All connections to PostgreSQL are in use.", code="database_down")
        try:
            with late(waited() + time.monotonic() - began):
                yield
        finally:
            free.release()


@contextlib.contextmanager
def late(seconds: float) -> Iterator[None]:
    """A block for one who has waited so many seconds for this thread already."""
    before = waited()
    _limit.late = seconds
    try:
        yield
    finally:
        _limit.late = before


def waited() -> float:
    """How many seconds whoever is owed an answer by this thread had waited before that began."""
    found: float = getattr(_limit, "late", 0.0)
    return found


def left(seconds: float) -> float:
    """What is left of so many seconds here, after what has been `waited`: at least `LEAST_SECONDS` of them."""
    return max(seconds - waited(), min(seconds, LEAST_SECONDS))


async def in_thread(function: Callable[[], Answer]) -> Answer:
    """What this gives in a thread. The wait for a thread is part of the time that the answer may take."""
    asked = time.monotonic()

    def answer() -> Answer:
        with late(time.monotonic() - asked):
            return function()

    return await run_sync(answer)
