"""Connections on which each statement commits by itself: what workers write."""

import contextlib
import os
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, Engine, event

from background.storage.connections import CONNECTIONS, driver_of, drop, has_word, local, make_engine, translated
from background.storage.deadlines import ANSWER_SECONDS, LOCK_SECONDS, with_one_of

# A plan that was made while a table was empty would read all of it for as long as the connection lives.
_RECORDING_SETTINGS = {
    "timezone": "UTC",
    "synchronous_commit": "off",
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
}
_WORKING_SETTINGS = {
    "timezone": "UTC",
    "idle_in_transaction_session_timeout": f"{ANSWER_SECONDS}s",
    # Who asks has given up by then; a statement that waited on for a lock would hold its connection.
    "statement_timeout": f"{ANSWER_SECONDS}s",
    "lock_timeout": f"{LOCK_SECONDS}s",
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "jit": "off",
}


class Pool:
    """Connections on which each statement commits by itself, kept for as long as they work.

    SQLAlchemy's own pool, BEGIN and COMMIT would cost as much as a statement. There are as many as were ever used at
    once, which is far fewer than a process may have threads.
    """

    def __init__(self, name: str, settings: Mapping[str, str], *, most: int) -> None:
        """`name` is what PostgreSQL shows of them; `settings` hold for each statement; `most` are used at once."""
        self._name = name
        self._most = most
        self._free = threading.Semaphore(most)
        self._settings = settings
        self._engine: Engine | None = None
        self._idle: deque[Connection] = deque()
        self._making = threading.Lock()
        os.register_at_fork(after_in_child=self._forget)

    @contextlib.contextmanager
    def __call__(self, *, seconds: float = ANSWER_SECONDS) -> Iterator[Connection]:
        """A connection for statements of which each commits by itself. Raises `Unavailable` as `transaction` does."""
        with with_one_of(self._free, seconds), translated():
            connection = next(self._take_living(), None) or self._get_engine().connect()
            try:
                yield connection
            except BaseException:
                # The idle ones are likely to be as dead as this one.
                drop(connection, *self._take_idle())
                raise
            self._idle.append(connection)

    @contextlib.contextmanager
    def transaction(
        self, *, seconds: float = ANSWER_SECONDS, lock_seconds: float | None = None
    ) -> Iterator[Connection]:
        """One transaction, for what must not be done late: a server that was frozen carries out what it was sent.

        It begins in one message with its first statement. For what others have locked a statement waits `lock_seconds`.
        """
        with self(seconds=seconds) as connection:
            longest = "" if lock_seconds is None else f"SET LOCAL lock_timeout = '{lock_seconds}s'; "
            connection.info["begin"] = f"BEGIN; {longest}"
            yield connection
            if connection.info.pop("begin", None) is None:
                with driver_of(connection).cursor() as cursor:
                    cursor.execute("COMMIT")

    def _get_engine(self) -> Engine:
        with self._making:
            if self._engine is None:
                # SQLAlchemy's own is without limit: how many there are is decided here.
                engine = make_engine(self._settings, self._name, isolation_level="AUTOCOMMIT", pool_size=0)
                before = local(self._settings)

                @event.listens_for(engine, "before_cursor_execute", retval=True)
                def prefix(connection: Connection, _: Any, statement: str, parameters: Any, *__: Any) -> Any:
                    begin = connection.info.pop("begin", "")
                    return begin + (before if connection.info["pooled"] else "") + statement, parameters

                @event.listens_for(engine, "connect")
                def remember(_: Any, record: Any) -> None:
                    # Before one more statement, in one message: PostgreSQL takes all of it for one transaction.
                    record.info["before"] = before

                self._engine = engine
            return self._engine

    def _take_living(self) -> Iterator[Connection]:
        for connection in self._take_idle():
            if has_word(connection):
                drop(connection)
            else:
                yield connection

    def _take_idle(self) -> Iterator[Connection]:
        with contextlib.suppress(IndexError):
            while True:
                yield self._idle.pop()

    def _forget(self) -> None:
        self._making, self._free = threading.Lock(), threading.Semaphore(self._most)
        if self._engine is not None:
            self._engine.dispose(close=False)
        self._idle.clear()


recording = Pool("celery-playground-recorder", _RECORDING_SETTINGS, most=1000)
"""For what is only recorded: the commit is not waited for. A crash of PostgreSQL may take the last half second of such
records with it; they can be had elsewhere."""

working = Pool("celery-playground-worker", _WORKING_SETTINGS, most=CONNECTIONS)
"""For what must be safe when it returns. It reads by index alone."""
