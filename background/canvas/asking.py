"""Statements that record, as a worker makes them: it never makes a task fail, and holds it up for at most a second."""

import contextlib
import logging
import time
from collections.abc import Callable
from typing import TypeVar

import psycopg2
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from background.base.errors import Unavailable
from background.storage import database, pools

logger = logging.getLogger(__name__)

RECORD_SECONDS = 1.0
Answer = TypeVar("Answer")


def record(statement: Callable[[Connection], Answer], *, together: bool = False) -> Answer | None:
    """`ask`, without an answer where PostgreSQL is not available."""
    with contextlib.suppress(Unavailable):
        return ask(statement, together=together)
    return None


def ask(statement: Callable[[Connection], Answer], *, together: bool = False) -> Answer | None:
    """Run a recording statement. A failure is logged, and raised where it is `Unavailable`: it may be tried again.

    Without canvas nothing is recorded. Each statement commits by itself, unless they are to stand `together` in one
    transaction.

    It is tried twice: connections are not asked whether they still live, which would cost as much as the statement. But
    one that did not answer in time may have been carried out.
    """
    begun = time.monotonic()
    for again in (True, False):
        try:
            with (database.transaction if together else pools.recording)(seconds=RECORD_SECONDS / 2) as connection:
                return statement(connection) if database.has_canvas(connection) else None
        except (Unavailable, SQLAlchemyError, psycopg2.Error) as error:
            if not again or time.monotonic() - begun >= RECORD_SECONDS / 2:
                logger.warning("A transition could not be recorded: %s", error)
                if isinstance(error, Unavailable):
                    raise
                break
    return None
