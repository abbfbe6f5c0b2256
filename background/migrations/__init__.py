"""The schema's history (Alembic), and how a database is brought to its newest state."""

import time
from collections.abc import Callable
from pathlib import Path

import psycopg2.errors
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError, OperationalError

from background.database import get_engine, time_limit
from background.settings import get_settings

LOCK_KEY = 5_820_117
"""PostgreSQL advisory lock that one migration at a time holds."""
MIGRATION_SECONDS = 600.0
WAIT_SECONDS = 30.0


def config() -> Config:
    """Alembic's configuration, wherever the command was started."""
    settings = Config()
    settings.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return settings


def upgrade(revision: str = "head") -> None:
    """Bring the database to `revision`; safe to run from many places at once.

    Waits up to `WAIT_SECONDS` for PostgreSQL and creates the database when the server has none of that name.
    Raises `SystemExit` with one line when PostgreSQL cannot be reached.
    """
    _wait_for_database()
    _run(command.upgrade, revision)


def downgrade(revision: str) -> None:
    """Take the schema back to `revision`; `base` is an empty database."""
    _run(command.downgrade, revision)


def _run(action: Callable[[Config, str], None], revision: str) -> None:
    with time_limit(MIGRATION_SECONDS), get_engine().connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": LOCK_KEY})
        connection.commit()
        try:
            settings = config()
            settings.attributes["connection"] = connection
            action(settings, revision)
            connection.commit()
        finally:
            connection.rollback()
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": LOCK_KEY})


def _wait_for_database() -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            with get_engine().connect():
                return
        except OperationalError as error:
            reason = str(error.orig).strip().splitlines()[0]
        if time.monotonic() > deadline:
            raise SystemExit(f"PostgreSQL cannot be reached: {reason}")
        if f'database "{get_settings().sqlalchemy_url.database}" does not exist' in reason:
            _create_database()
        else:
            time.sleep(0.5)


def _create_database() -> None:
    url = get_settings().sqlalchemy_url
    engine = create_engine(url.set(database="postgres"), isolation_level="AUTOCOMMIT")
    name = engine.dialect.identifier_preparer.quote_identifier(url.database or "")
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
    except DBAPIError as error:
        if not isinstance(error.orig, psycopg2.errors.DuplicateDatabase | psycopg2.errors.UniqueViolation):
            raise SystemExit(f"The database {name} does not exist and cannot be created: {error.orig}") from None
    finally:
        engine.dispose()
