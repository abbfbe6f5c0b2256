"""The schema's history (Alembic), and how a database is brought to its newest state while everything runs on it.

A migration may take as long as it likes, over a connection that has none of the application's limits. It must not keep
others waiting: each revision is a transaction of its own, which waits `LOCK_SECONDS` for a lock, with everybody else
queueing behind it, and is then begun anew. What goes over many rows goes `in_batches`. See docs/migrations.md.

The history has two branches: that of jobs, which every database has, and that of canvases, which may be left out.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg2.errors
from alembic import command, op
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import to_tuple
from sqlalchemy import Connection, Engine, NullPool, TextClause, create_engine, event, text
from sqlalchemy.exc import DBAPIError, OperationalError

from background.settings import get_settings
from background.storage.connections import get_engine
from background.storage.deadlines import ANSWER_SECONDS, time_limit
from background.storage.locks import Lock

logger = logging.getLogger(__name__)

ALL = "heads"
WITHOUT_CANVAS = "jobs@head"
"""What a database may be brought to: the newest of all branches, or of that of jobs alone."""
JOBS, CANVAS = "jobs", "canvas"
"""The branches. Up to `LAST_OF_ONE_HISTORY`, a revision of canvases has the number of the one it was part of."""
LAST_OF_ONE_HISTORY = "0014"
WAIT_SECONDS = 30.0
LOCK_SECONDS = 1.0
RETRY_SECONDS = 1.0
BATCH_SECONDS = 0.05
"""The pause behind a batch, in which others have the server to themselves."""
TELL_SECONDS = 5.0
HELD_UP_SECONDS = 10.0
"""What waits for a lock says so at once, and then this often."""
APPLICATION = "celery-playground-migration"
# Any lock on a table may be in the way of a change of its shape, also that of a SELECT.
_OLDEST_HOLDER = text("""
SELECT format('process %s (%s, user %s), for %s s', pid, coalesce(nullif(application_name, ''), 'no name'), usename,
    extract(epoch FROM now() - xact_start)::int)
FROM pg_stat_activity
WHERE datname = current_database() AND application_name <> :ours
  AND pid IN (SELECT pid FROM pg_locks WHERE locktype = 'relation' AND granted AND relation >= 16384)
ORDER BY xact_start LIMIT 1
""")
# By an index of ours: a table of that name may be anybody's.
_HAS_RUNS = text("SELECT to_regclass('ix_runs_status_id') IS NOT NULL")
_HAS_JOBS = text("SELECT to_regclass('jobs') IS NOT NULL")
_ENDLESS = 10 * 24 * 3600.0
_HELD_UP = (psycopg2.errors.LockNotAvailable, psycopg2.errors.DeadlockDetected)


def config() -> Config:
    """Alembic's configuration, wherever the command was started."""
    settings = Config()
    settings.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return settings


@dataclass(frozen=True)
class Schema:
    """The revisions that a database has, `None` without any, and the newest ones of this release for it.

    Where there are no canvases, that of their branch is none of these.
    """

    found: str | None
    newest: str
    is_newer: bool
    """This release does not know one of `found`: another one has been here, which may run beside it."""


def schema(connection: Connection) -> Schema:
    """How the schema of this database stands to this release."""
    known = ScriptDirectory.from_config(config())
    found, branch = _heads(connection, known), _revisions(known, CANVAS)
    newer = found - _revisions(known)
    # Where one depends on another, Alembic keeps the former alone.
    implied = {each for script in known.walk_revisions() for each in to_tuple(script.dependencies, ())}
    newest = set(known.get_heads()) - (implied if not found or found & branch else branch)
    return Schema(_listed(found) or None, _listed(newest), bool(newer))


def _heads(connection: Connection, known: ScriptDirectory) -> set[str]:
    """Where the database is, in each branch. One from before there were branches does not say so of canvases."""
    found = set(MigrationContext.configure(connection).get_current_heads())
    branch = _revisions(known, CANVAS)
    if found & branch or not connection.scalar(_HAS_RUNS):
        return found
    for revision in found & _revisions(known, JOBS):
        if revision <= LAST_OF_ONE_HISTORY:
            found = found | {max(each for each in branch if each <= f"{CANVAS}_{revision}")}
    return found


def _revisions(known: ScriptDirectory, branch: str | None = None) -> set[str]:
    return {each.revision for each in known.walk_revisions() if branch is None or branch in each.branch_labels}


def _listed(revisions: set[str]) -> str:
    return ", ".join(sorted(revisions))


def upgrade(revision: str = ALL) -> None:
    """Bring the database to `revision`, unless a newer release has been here; safe to run from many places at once.

    `WITHOUT_CANVAS`, tables of canvases are not made; those that are there stay as they are.

    Waits up to `WAIT_SECONDS` for PostgreSQL and creates the database when the server has none of that name.
    Raises `SystemExit` with one line when PostgreSQL cannot be reached, or a name of our tables is another program's.
    """
    _wait_for_database()
    _run(command.upgrade, revision)


def downgrade(revision: str) -> None:
    """Take the schema back to `revision`, in its branch. Does nothing to that of a newer release.

    `base` is an empty database, `canvas@base` one without canvases.
    """
    _run(command.downgrade, revision)


def in_batches(statement: str, *, what: str, size: int = 1000) -> int:
    """For a revision: execute SQL that changes at most `:size` rows until it changes none; gives how many it changed.

    Each batch is a transaction of its own, and so is what the revision did before. A revision that is begun anew must
    therefore find its own work done: `IF NOT EXISTS` for columns, and a statement that leaves out what it has changed.
    """
    done, told = 0, time.monotonic()
    with op.get_context().autocommit_block():
        while changed := op.get_bind().execute(text(statement), {"size": size}).rowcount:
            done += changed
            if time.monotonic() - told > TELL_SECONDS:
                logger.info("%s: %s so far", what, f"{done:,}")
                told = time.monotonic()
            time.sleep(BATCH_SECONDS)
    logger.info("%s: %s, done", what, f"{done:,}")
    return done


def index_apart(
    name: str,
    table: str,
    columns: Sequence[str | TextClause],
    *,
    where: TextClause | None = None,
    unique: bool = False,
    using: str = "btree",
    ops: Mapping[str, str] | None = None,
    include: Sequence[str] = (),
    settings: Mapping[str, object] | None = None,
) -> None:
    """For a revision: make an index while others write. What the revision did before is committed with it.

    One that was not finished before, when the revision was begun anew, is made anew.
    """
    with op.get_context().autocommit_block():
        op.drop_index(name, table_name=table, if_exists=True, postgresql_concurrently=True)
        op.create_index(
            name,
            table,
            columns,
            unique=unique,
            postgresql_where=where,
            postgresql_using=using,
            postgresql_ops=dict(ops or {}),
            postgresql_include=list(include),
            postgresql_with=dict(settings or {}),
            postgresql_concurrently=True,
        )


def _run(action: Callable[[Config, str], None], revision: str) -> None:
    engine = _engine()
    told = -HELD_UP_SECONDS
    try:
        with time_limit(_ENDLESS), _alone(engine), _steps_said_once(), engine.connect() as connection:
            with connection.begin():
                present = schema(connection)
                is_ours = not present.is_newer or connection.scalar(_HAS_JOBS)
            if not is_ours:
                raise SystemExit(
                    f"The table alembic_version is another program's: it is at {present.found}."
                    " Give that one a version_table of its own (docs/migrations.md)."
                )
            if present.is_newer:
                logger.info(
                    "The schema is newer than this release; nothing to do. It is at %s, this release knows up to %s.",
                    present.found,
                    present.newest,
                )
                return
            _say_where_canvases_are(connection)
            while reason := _try(action, revision, connection):
                if time.monotonic() - told >= HELD_UP_SECONDS:
                    with connection.begin():
                        holder = connection.scalar(_OLDEST_HOLDER, {"ours": APPLICATION}) or "none any more"
                    logger.info("Held up by a lock of others, trying again: %s. Held longest by %s.", reason, holder)
                    told = time.monotonic()
                time.sleep(RETRY_SECONDS)
    except DBAPIError as error:
        if error.connection_invalidated:
            raise SystemExit(f"The migration was cut off; run it again: {_first_line(error)}") from None
        if isinstance(error.orig, psycopg2.errors.DuplicateTable):
            reason = _first_line(error).removeprefix("ERROR:").strip()
            raise SystemExit(f"A name of our tables is taken: {reason} (docs/migrations.md).") from None
        raise
    finally:
        engine.dispose()


def _say_where_canvases_are(connection: Connection) -> None:
    """In the version table, as `_heads` has found it."""
    with connection.begin():
        context, known = MigrationContext.configure(connection), ScriptDirectory.from_config(config())
        for revision in _heads(connection, known) - set(context.get_current_heads()):
            context.stamp(known, revision)


def _engine() -> Engine:
    """For migrations alone. A server that has gone is noticed within a minute."""
    alive = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
    engine = create_engine(
        get_settings().sqlalchemy_url,
        poolclass=NullPool,
        connect_args={"application_name": APPLICATION, **alive},
    )

    @event.listens_for(engine, "begin")
    def _set_limits(connection: Connection) -> None:
        connection.exec_driver_sql(
            f"SET LOCAL timezone = 'UTC'; SET LOCAL lock_timeout = '{LOCK_SECONDS}s';"
            " SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0"
        )

    return engine


@contextmanager
def _alone(engine: Engine) -> Iterator[None]:
    """Hold the lock in a transaction of another connection: those of the migration come and go.

    Each try is a transaction of its own. An index that is made concurrently waits for the end of those that are just
    looking at something; one that waits for the migration would never end.
    """
    told = False
    with engine.connect() as connection:
        while True:
            with connection.begin():
                if connection.scalar(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": Lock.MIGRATION.value}):
                    yield
                    return
            if not told:
                logger.info("Another migration is under way; waiting for its end.")
                told = True
            time.sleep(0.2)


@contextmanager
def _steps_said_once() -> Iterator[None]:
    """Alembic says which revision it runs, and that once, however often it is begun anew."""
    said = set[str]()

    def is_new(record: logging.LogRecord) -> bool:
        before = len(said)
        said.add(record.getMessage())
        return record.msg.startswith("Running") and len(said) > before

    talker = logging.getLogger("alembic.runtime.migration")
    talker.addFilter(is_new)
    try:
        yield
    finally:
        talker.removeFilter(is_new)


def _try(action: Callable[[Config, str], None], revision: str, connection: Connection) -> str | None:
    """Go on from the first revision that is missing; gives PostgreSQL's words when one was held up by a lock."""
    settings = config()
    settings.attributes["connection"] = connection
    try:
        action(settings, revision)
    except DBAPIError as error:
        connection.rollback()
        if not isinstance(error.orig, _HELD_UP):
            raise
        return _first_line(error)
    return None


def _first_line(error: DBAPIError) -> str:
    return str(error.orig).strip().splitlines()[0]


def _wait_for_database() -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            with time_limit(ANSWER_SECONDS), get_engine().connect():
                return
        except OperationalError as error:
            reason = _first_line(error)
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
        with time_limit(WAIT_SECONDS), engine.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
    except DBAPIError as error:
        if not isinstance(error.orig, psycopg2.errors.DuplicateDatabase | psycopg2.errors.UniqueViolation):
            raise SystemExit(f"The database {name} does not exist and cannot be created: {error.orig}") from None
    finally:
        engine.dispose()
