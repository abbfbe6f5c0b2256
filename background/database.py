"""The one engine of this process, and how a transaction is opened on it.

No wait on PostgreSQL is without end: psycopg2 waits through `_wait`, which gives up at the deadline of the
transaction. A server that is stopped, frozen or cut off therefore looks the same to a caller: `Unavailable`.

Nothing needs a session of its own on the server, so that a pooler in transaction mode (PgBouncer) may stand between:
each connection finds out whether one does, and then brings its settings with every transaction.
"""

import contextlib
import os
import re
import select
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from enum import StrEnum
from functools import cache
from typing import Any

import psycopg2
import psycopg2.errors
import psycopg2.extensions
from sqlalchemy import Connection, Engine, MetaData, create_engine, event, text
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import NullPool
from sqlalchemy.types import UserDefinedType

from background.errors import Unavailable
from background.settings import get_settings

ANSWER_SECONDS = 4.0
"""How long one transaction may wait for PostgreSQL altogether: below the 5 s after which the API owes a 503."""
LEAST_SECONDS = 0.5
"""So long is tried for one who has waited for all of that before."""
CONNECTIONS = 20
"""So many of each kind a process uses at once."""

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class XID8(UserDefinedType[int]):
    """PostgreSQL's number of a transaction, which is never used again."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        """Its name in SQL."""
        return "xid8"


ischema_names["xid8"] = XID8


def one_of(column: str, values: type[StrEnum]) -> str:
    """SQL of a CHECK that holds `column` to the members of an enum."""
    return f"{column} IN ({', '.join(repr(value.value) for value in values)})"


_SETTINGS = {
    "timezone": "UTC",
    # A process that was frozen or cut off within a transaction would keep its rows locked: nobody could recover them.
    "idle_in_transaction_session_timeout": f"{ANSWER_SECONDS}s",
}
_RECORDING_SETTINGS = {"timezone": "UTC", "synchronous_commit": "off", "plan_cache_mode": "force_generic_plan"}
# A plan that was made while a table was empty would read all of it for as long as the connection lives.
_WORKING_SETTINGS = {
    "timezone": "UTC",
    "idle_in_transaction_session_timeout": f"{ANSWER_SECONDS}s",
    # Who asks has given up by then; a statement that waited on for a lock would hold its connection.
    "statement_timeout": f"{ANSWER_SECONDS}s",
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "jit": "off",
}
_MEGABYTE = """
WITH row AS MATERIALIZED (SELECT repeat('x', 1000) AS text FROM generate_series(1, 1000)) SELECT count(text) FROM row
"""
_limit = threading.local()
_PARAMETER = re.compile(r"(?<!:):(\w+)")
_EVENTS = {
    psycopg2.extensions.POLL_READ: select.POLLIN,
    psycopg2.extensions.POLL_WRITE: select.POLLOUT,
}


def _wait(connection: psycopg2.extensions.connection) -> None:
    """Wait for libpq until the deadline of the running transaction (psycopg2's "wait callback").

    psycopg2 itself closes the connection when this raises, whatever the reason, since a statement is still
    under way on it (psycopg/green.c, green_panic).
    """
    deadline = getattr(_limit, "deadline", None) or time.monotonic() + ANSWER_SECONDS
    while (state := connection.poll()) != psycopg2.extensions.POLL_OK:
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            raise psycopg2.OperationalError("PostgreSQL did not answer in time")
        poll = select.poll()
        poll.register(connection.fileno(), _EVENTS[state])
        poll.poll(remaining * 1000)


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Within this block, waits of this thread on PostgreSQL end after `seconds` altogether, less what it is `late`."""
    before = getattr(_limit, "deadline", None)
    _limit.deadline = time.monotonic() + _left(seconds)
    try:
        yield
    finally:
        _limit.deadline = before


@contextlib.contextmanager
def late(seconds: float) -> Iterator[None]:
    """Within this block, whoever is owed an answer by this thread has waited so long already."""
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


def _left(seconds: float) -> float:
    return max(seconds - waited(), min(seconds, LEAST_SECONDS))


@cache
def get_engine() -> Engine:
    """The engine of this process; connects when first used, so that a process starts without PostgreSQL."""
    half = CONNECTIONS // 2
    pool: dict[str, Any] = {"pool_size": half, "max_overflow": half, "pool_timeout": 2, "pool_pre_ping": True}
    engine = _engine(_SETTINGS, "celery-playground", **pool)
    local = _local(_SETTINGS)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if connection.info["pooled"]:
            connection.exec_driver_sql(local)

    return engine


def _engine(settings: Mapping[str, str], name: str, *, url: URL | None = None, **options: Any) -> Engine:
    psycopg2.extensions.set_wait_callback(_wait)
    address = url or get_settings().sqlalchemy_url
    engine = create_engine(address, connect_args={"application_name": name}, **options)

    @event.listens_for(engine, "connect")
    def connect(driver: Any, record: Any) -> None:
        record.info["pooled"] = _set_up(driver, settings)

    return engine


class Lane:
    """Connections on which each statement commits by itself, kept for as long as they work.

    SQLAlchemy's pool, BEGIN and COMMIT would cost as much as a statement. There are as many as were ever used at once,
    which is far fewer than a process may have threads.
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
        """One of them, for statements of which each commits by itself. Raises `Unavailable` as `transaction` does."""
        began = time.monotonic()
        if not self._free.acquire(timeout=_left(seconds)):
            raise Unavailable("All connections to PostgreSQL are in use.", code="database_down")
        try:
            with late(waited() + time.monotonic() - began), _translated(), time_limit(seconds):
                connection = next(self._take_living(), None) or self._get_engine().connect()
                try:
                    yield connection
                except BaseException:
                    # The idle ones are likely to be as dead as this one.
                    _drop(connection, *self._take_idle())
                    raise
                self._idle.append(connection)
        finally:
            self._free.release()

    @contextlib.contextmanager
    def transaction(self, *, seconds: float = ANSWER_SECONDS) -> Iterator[Connection]:
        """One transaction, for what must not be done late: a server that was frozen carries out what it was sent."""
        with self(seconds=seconds) as connection:
            connection.exec_driver_sql("BEGIN")
            yield connection
            connection.exec_driver_sql("COMMIT")

    def _get_engine(self) -> Engine:
        with self._making:
            if self._engine is None:
                # A pool without limit.
                engine = _engine(self._settings, self._name, isolation_level="AUTOCOMMIT", pool_size=0)
                before = _local(self._settings)

                @event.listens_for(engine, "before_cursor_execute", retval=True)
                def prefix(connection: Connection, _: Any, statement: str, parameters: Any, *__: Any) -> Any:
                    return (before if connection.info["pooled"] else "") + statement, parameters

                @event.listens_for(engine, "connect")
                def remember(_: Any, record: Any) -> None:
                    # Before one more statement, in one message: PostgreSQL takes all of it for one transaction.
                    record.info["before"] = before

                self._engine = engine
            return self._engine

    def _take_living(self) -> Iterator[Connection]:
        for connection in self._take_idle():
            if _has_word(connection):
                _drop(connection)
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


recording = Lane("celery-playground-recorder", _RECORDING_SETTINGS, most=1000)
"""For what is only recorded: the commit is not waited for. A crash of PostgreSQL may take the last half second of such
records with it; they can be had elsewhere."""

working = Lane("celery-playground-worker", _WORKING_SETTINGS, most=CONNECTIONS)
"""For what must be safe when it returns. It reads by index alone."""


def _set_up(driver: Any, settings: Mapping[str, str]) -> bool:
    """Set them for the session, if it is our own; gives whether a pooler is between, which shares it with others.

    A pooler answers a new connection without a server at hand: the process id that it gives is none of PostgreSQL's.
    """
    alone = "pg_backend_pid() = %(pid)s"
    parts = [f"set_config('{name}', '{value}', NOT {alone})" for name, value in settings.items()]
    before, driver.autocommit = driver.autocommit, True
    with driver.cursor() as cursor:
        cursor.execute(f"SELECT {alone}, {', '.join(parts)}", {"pid": driver.info.backend_pid})
        (is_alone, *_) = cursor.fetchone()
    driver.autocommit = before
    return not is_alone


def _local(settings: Mapping[str, str]) -> str:
    return "".join(f"SET LOCAL {name} = '{value}'; " for name, value in settings.items())


def _forget_connections() -> None:
    """A forked child must not use, nor close, the connections of its parent."""
    if get_engine.cache_info().currsize:
        get_engine().dispose(close=False)


os.register_at_fork(after_in_child=_forget_connections)


@contextlib.contextmanager
def transaction(*, seconds: float = ANSWER_SECONDS) -> Iterator[Connection]:
    """One transaction: committed at the end of the block, rolled back by any exception.

    Raises `Unavailable` when PostgreSQL cannot be reached, does not answer within `seconds`, does not take what is
    written (it only reads, its disk is full), or has no schema yet. Whether a transaction that lost its answer was
    committed is then unknown.
    """
    with _translated(), time_limit(seconds), get_engine().begin() as connection:
        yield connection


class Prepared:
    """SQL with `:names` that a connection parses and plans when it is first used there, and then only executes.

    Planning a statement with several parts costs PostgreSQL more than a transition of a few rows. Behind a pooler,
    where the next statement may find another server, it is planned each time.
    """

    def __init__(self, name: str, sql: str) -> None:
        """`name` is unique among the statements of this process."""
        self.name = name
        self.sql = sql
        self._names = list(dict.fromkeys(_PARAMETER.findall(sql)))
        numbered = _PARAMETER.sub(lambda found: f"${self._names.index(found[1]) + 1}", sql)
        self._prepare = f"PREPARE {name} AS {numbered}"
        self._execute = f"EXECUTE {name} ({', '.join(f'%({each})s' for each in self._names)})"
        self._plain = _PARAMETER.sub(r"%(\1)s", sql.replace("%", "%%"))

    def __call__(self, connection: Connection, values: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Execute it with a value for each of its names; gives the rows, if it returns any.

        It goes past SQLAlchemy, whose share would be the larger one, but within its transaction.
        """
        driver: Any = connection.connection.driver_connection
        info = connection.info
        with driver.cursor() as cursor:
            if info["pooled"]:
                cursor.execute((info["before"] if driver.autocommit else "") + self._plain, values)
            else:
                known = info.setdefault("prepared", set())
                if self.name not in known:
                    cursor.execute(self._prepare)
                    known.add(self.name)
                cursor.execute(self._execute, values)
            if cursor.description is None:
                return []
            names = [column.name for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor]


def require_database() -> None:
    """Raise `Unavailable` within about two seconds unless PostgreSQL has its schema, takes writes, and has room.

    A server that only reads refuses to lock rows, even none; a megabyte that does not fit into memory goes to the disk
    of the database, and leaves nothing there.
    """
    with transaction(seconds=2) as connection:
        connection.execute(text("SELECT FROM jobs LIMIT 0 FOR UPDATE"))
        connection.execute(text("SET LOCAL work_mem = '64kB'"))
        connection.execute(text(_MEGABYTE))


def listen(channel: str, *, seconds: float) -> Connection | None:
    """A connection that hears what is notified on `channel`, or `None`: a pooler would not pass it on.

    Its user invalidates it at the end. Raises `Unavailable` as `transaction` does.
    """
    with _translated(), time_limit(seconds):
        connection = _get_listening_engine().connect().execution_options(isolation_level="AUTOCOMMIT")
        if connection.info["pooled"]:
            connection.close()
            return None
        try:
            connection.exec_driver_sql(f"LISTEN {channel}")
        except BaseException:
            _drop(connection)
            raise
        return connection


@cache
def _get_listening_engine() -> Engine:
    url = get_settings().listen_url
    return get_engine() if url is None else _engine(_SETTINGS, "celery-playground", url=url, poolclass=NullPool)


def _has_word(connection: Connection) -> bool:
    """Whether the server has said something that nobody has asked for: that it ends."""
    poll = select.poll()
    poll.register(connection.connection.driver_connection.fileno(), select.POLLIN)  # type: ignore[union-attr]
    return bool(poll.poll(0))


def _drop(*connections: Connection) -> None:
    for connection in connections:
        connection.invalidate()
        connection.close()


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (DBAPIError, PoolTimeout, psycopg2.Error) as error:
        found = error.orig if isinstance(error, DBAPIError) else error
        if isinstance(found, psycopg2.errors.ReadOnlySqlTransaction):
            # New connections may find the new primary; those that are there would stay with this one.
            get_engine().dispose()
            raise _unavailable(found) from error
        if isinstance(found, psycopg2.OperationalError | psycopg2.InterfaceError | PoolTimeout):
            raise _unavailable(found) from error
        if not isinstance(error, DBAPIError):
            raise
        if isinstance(found, psycopg2.errors.UndefinedTable | psycopg2.errors.UndefinedColumn):
            raise Unavailable("The database has no schema yet; run: python -m background migrate") from error
        if error.connection_invalidated:
            raise Unavailable("PostgreSQL closed the connection.", code="database_down") from error
        raise


def _unavailable(error: BaseException) -> Unavailable:
    """It, with PostgreSQL's own words where it has said any; what libpq says names hosts, and stays in the log."""
    words = error.diag.message_primary if isinstance(error, psycopg2.Error) else None
    if words is None:
        # What refuses a connection comes as text alone.
        words = str(error).rpartition("FATAL:  ")[2].strip().splitlines()[0] if "FATAL:  " in str(error) else None
    if words is None:
        return Unavailable("PostgreSQL cannot be reached or does not answer.", code="database_down")
    return Unavailable(f"PostgreSQL says: {words}", code="database_refuses", words=words)
