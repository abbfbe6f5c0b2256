"""Transactions, and what else is asked of PostgreSQL. No wait on it is without end: see `deadlines`."""

import contextlib
from collections.abc import Iterator
from functools import cache

from sqlalchemy import Connection, Engine, text
from sqlalchemy.pool import NullPool

from background.settings import get_settings
from background.storage.connections import SETTINGS, drop, get_engine, make_engine, places, translated
from background.storage.deadlines import ANSWER_SECONDS, time_limit, with_one_of

_MEGABYTE = """
WITH row AS MATERIALIZED (SELECT repeat('x', 1000) AS text FROM generate_series(1, 1000)) SELECT count(text) FROM row
"""
# One that is there from early on, and the one that is made last: a migration may be under way.
_HAS_CANVAS = text("SELECT num_nulls(to_regclass('run_tasks'), to_regclass('sweeps')) = 0")


@contextlib.contextmanager
def transaction(*, seconds: float = ANSWER_SECONDS) -> Iterator[Connection]:
    """One transaction: committed at the end of the block, rolled back by any exception.

    Raises `Unavailable` when PostgreSQL cannot be reached, does not answer within `seconds`, does not take what is
    written (it only reads, its disk is full), or has no schema yet. Whether a transaction that lost its answer was
    committed is then unknown.
    """
    with with_one_of(places(), seconds), translated(), get_engine().begin() as connection:
        yield connection


def require_database() -> None:
    """Raise `Unavailable` within about two seconds unless PostgreSQL has its schema, takes writes, and has room.

    A server that only reads refuses to lock rows, even none; a megabyte that does not fit into memory goes to the disk
    of the database, and leaves nothing there.
    """
    with transaction(seconds=2) as connection:
        connection.execute(text("SELECT FROM jobs LIMIT 0 FOR UPDATE"))
        connection.execute(text("SET LOCAL work_mem = '64kB'"))
        connection.execute(text(_MEGABYTE))


def has_canvas(connection: Connection) -> bool:
    """Whether the database has the tables of canvases, all of them: they may be left out, and come later.

    A connection that has seen them does not look again.
    """
    if not connection.info.get("has_canvas"):
        connection.info["has_canvas"] = connection.execute(_HAS_CANVAS).scalar_one()
    return bool(connection.info["has_canvas"])


def listen(*channels: str, seconds: float) -> Connection | None:
    """A connection that hears what is notified on these channels, or `None`: a pooler would not pass it on.

    Its user invalidates it at the end. Raises `Unavailable` as `transaction` does.
    """
    with translated(), time_limit(seconds):
        connection = _get_listening_engine().connect().execution_options(isolation_level="AUTOCOMMIT")
        if connection.info["pooled"]:
            connection.close()
            return None
        try:
            for channel in channels:
                connection.exec_driver_sql(f"LISTEN {channel}")
        except BaseException:
            drop(connection)
            raise
        return connection


@cache
def _get_listening_engine() -> Engine:
    url = get_settings().listen_url
    return get_engine() if url is None else make_engine(SETTINGS, "celery-playground", url=url, poolclass=NullPool)
