"""How connections to PostgreSQL are made, and what its errors mean here.

Nothing needs a session of its own on the server, so that a pooler in transaction mode (PgBouncer) may stand between:
each connection finds out whether one does, and then brings its settings with every transaction.
"""

import contextlib
import os
import select
import threading
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import psycopg2
import psycopg2.errors
import psycopg2.extensions
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from background.base.errors import Unavailable
from background.settings import get_settings
from background.storage import deadlines

CONNECTIONS = 20
"""How many connections of each kind a process uses at once."""
SETTINGS = {
    "timezone": "UTC",
    # A process that was frozen or cut off within a transaction would keep its rows locked: nobody could recover them.
    "idle_in_transaction_session_timeout": f"{deadlines.ANSWER_SECONDS}s",
    "lock_timeout": f"{deadlines.LOCK_SECONDS}s",
}


@cache
def get_engine() -> Engine:
    """The engine of this process; connects when first used, so that a process starts without PostgreSQL."""
    # Without a limit of its own: who waits for a connection waits in `places`, no longer than its answer may take.
    engine = make_engine(SETTINGS, "celery-playground", pool_size=CONNECTIONS // 2, max_overflow=-1, pool_pre_ping=True)
    before = local(SETTINGS)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if connection.info["pooled"]:
            connection.exec_driver_sql(before)

    return engine


@cache
def places() -> threading.Semaphore:
    """As many as may use a connection of the engine at once."""
    return threading.Semaphore(CONNECTIONS)


def _forget_connections() -> None:
    """A forked child must not use, nor close, the connections of its parent."""
    places.cache_clear()
    if get_engine.cache_info().currsize:
        get_engine().dispose(close=False)


os.register_at_fork(after_in_child=_forget_connections)


def make_engine(settings: Mapping[str, str], name: str, *, url: URL | None = None, **options: Any) -> Engine:
    """A new engine: `settings` of PostgreSQL for its sessions, and the `name` that PostgreSQL shows of them."""
    psycopg2.extensions.set_wait_callback(deadlines.wait)
    address = url or get_settings().sqlalchemy_url
    arguments = {"application_name": name}
    # libpq asks for a ticket of Kerberos at each connection, under a lock that a child which is forked meanwhile finds
    # locked for ever. Whoever wants it says so in the URL.
    if "gssencmode" not in address.query:
        arguments["gssencmode"] = "disable"
    engine = create_engine(address, connect_args=arguments, **options)

    @event.listens_for(engine, "connect")
    def connect(driver: Any, record: Any) -> None:
        record.info["pooled"] = _set_up(driver, settings)

    return engine


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


def local(settings: Mapping[str, str]) -> str:
    """SQL that makes these settings hold for one transaction."""
    return "".join(f"SET LOCAL {name} = '{value}'; " for name, value in settings.items())


def driver_of(connection: Connection) -> Any:
    """psycopg2's connection below this one."""
    return connection.connection.driver_connection


def has_word(connection: Connection) -> bool:
    """Whether the server has said something that nobody has asked for: that it ends."""
    poll = select.poll()
    poll.register(driver_of(connection).fileno(), select.POLLIN)
    return bool(poll.poll(0))


def drop(*connections: Connection) -> None:
    """Close these, whatever state they are in."""
    for connection in connections:
        connection.invalidate()
        connection.close()


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """A block in which PostgreSQL's errors that are no fault of ours become `Unavailable`."""
    try:
        yield
    except (DBAPIError, psycopg2.Error) as error:
        found = error.orig if isinstance(error, DBAPIError) else error
        if isinstance(found, psycopg2.errors.ReadOnlySqlTransaction):
            # New connections may find the new primary; those that are there would stay with this one.
            get_engine().dispose()
            raise _unavailable(found) from error
        if isinstance(found, psycopg2.errors.LockNotAvailable):
            raise held_up() from error
        if isinstance(found, psycopg2.OperationalError | psycopg2.InterfaceError):
            raise _unavailable(found) from error
        if isinstance(found, psycopg2.errors.UndefinedTable | psycopg2.errors.UndefinedColumn):
            raise no_schema() from error
        if isinstance(error, DBAPIError) and error.connection_invalidated:
            raise Unavailable("PostgreSQL closed the connection.", code="database_down") from error
        raise


def held_up() -> Unavailable:
    """What is told to whoever waits for somebody else's transaction, and has waited long enough."""
    words = "another transaction has what this one needs, and has not ended; try again"
    return Unavailable(f"PostgreSQL says: {words}", code="database_refuses", words=words)


def no_schema() -> Unavailable:
    """What is told where a table or a column of ours is not there."""
    return Unavailable("The database has no schema yet; run: python -m background migrate")


def _unavailable(error: BaseException) -> Unavailable:
    """The error with PostgreSQL's own words, if it said any; what libpq says names hosts, and stays in the log."""
    words = error.diag.message_primary if isinstance(error, psycopg2.Error) else None
    if words is None:
        # What refuses a connection comes as text alone.
        words = str(error).rpartition("FATAL:  ")[2].strip().splitlines()[0] if "FATAL:  " in str(error) else None
    if words is None:
        return Unavailable("PostgreSQL cannot be reached or does not answer.", code="database_down")
    return Unavailable(f"PostgreSQL says: {words}", code="database_refuses", words=words)
