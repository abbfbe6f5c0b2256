"""`python -m background doctor`: looks at all that the processes need, with the code that they connect with."""

import platform
import re
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any
from uuid import uuid4

import celery
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from background import migrations
from background.base.errors import Unavailable
from background.broker import server
from background.canvas import results
from background.commands import advice
from background.jobs import registry
from background.settings import Settings
from background.storage import connections, database, deadlines
from background.streams import sql

OLDEST_POSTGRESQL = 160000
LARGEST_CLOCK_SECONDS = 5.0
LOCK = Path(__file__).parents[2] / "requirements.lock"
POOLER_TRIES = 20
LOOK_SECONDS = 6.0
"""How long the next finding of a look may take: longer than any wait that has a limit of its own."""
_SERVER = text("""
SELECT current_setting('server_version') AS version, current_setting('server_version_num')::int AS number,
       extract(epoch FROM clock_timestamp())::float AS clock, pg_postmaster_start_time() AS started
""")


@dataclass(frozen=True)
class Finding:
    """What one look has found: `to_do` says how to put right what is wrong, and is `None` where all is well."""

    subject: str
    what: str
    to_do: str | None = None

    def __str__(self) -> str:
        """One line."""
        if self.to_do is None:
            return f"ok     {self.subject}: {self.what}"
        return f"wrong  {self.subject}: {self.what.rstrip('.')}. To do: {self.to_do}."


def examine(settings: Settings) -> Iterator[Finding]:
    """All findings, each as soon as it is there; what depends on a thing that is wrong is left out."""
    yield Finding("Python", platform.python_version())
    yield _celery()
    for subject, look in (
        ("pipelines", _pipelines),
        ("PostgreSQL", lambda: _postgresql(settings)),
        ("Redis", _redis),
        ("result backend", lambda: _result_backend(settings)),
        ("DATA_DIR", lambda: _data_dir(settings)),
    ):
        yield from _in_time(subject, look)


def _in_time(subject: str, look: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """What a look finds, in a thread that is left behind where it hangs: not every wait has a limit of its own."""
    findings = SimpleQueue[Finding | None]()

    def look_on() -> None:
        for finding in _asked(subject, look):
            findings.put(finding)
        findings.put(None)

    threading.Thread(target=look_on, daemon=True).start()
    try:
        yield from iter(lambda: findings.get(timeout=LOOK_SECONDS), None)
    except Empty:
        yield Finding(subject, f"no answer within {LOOK_SECONDS:g} s.", advice.unreachable(subject))


def _asked(subject: str, look: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """What a look finds, and any error as a finding, too."""
    try:
        yield from look()
    except Unavailable as error:
        cause = error.__cause__
        found: Any = cause.orig if isinstance(cause, DBAPIError) else cause
        words = str(error)
        if error.code in ("database_down", "broker_down", "result_backend_down") and found is not None:
            # Whoever asks here may know which host it is.
            words += f" ({_first_line(found)})"
        yield Finding(subject, words, advice.of(subject, words, getattr(found, "pgcode", None)))
    except (Exception, SystemExit) as error:  # noqa: BLE001  (whatever it is, the other looks go on)
        words = _first_line(error.orig if isinstance(error, DBAPIError) and error.orig else error)
        yield Finding(subject, words, advice.of(subject, words))


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _pipelines() -> Iterator[Finding]:
    yield Finding("pipelines", ", ".join(registry.pipelines()) or "none")


def _celery() -> Finding:
    """The version that is locked is the one that is tested."""
    locked = re.search(r"^celery==(\S+)", LOCK.read_text(encoding="utf-8"), re.MULTILINE) if LOCK.exists() else None
    if locked and locked[1] != celery.__version__:
        return Finding("Celery", f"{celery.__version__}, tested is {locked[1]}.", "python3 run.py setup")
    return Finding("Celery", celery.__version__)


def _postgresql(settings: Settings) -> Iterator[Finding]:
    with database.transaction() as connection:
        asked = time.time()
        row = connection.execute(_SERVER).one()
        answered = time.time()
        pooled = bool(connection.info["pooled"])
    too_old = row.number < OLDEST_POSTGRESQL
    yield Finding("PostgreSQL", row.version, "use PostgreSQL 16 or newer" if too_old else None)
    yield _clock("PostgreSQL's clock", row.clock, asked, answered)
    yield _pooler(settings) if pooled else Finding("pooler", "none; connections are PostgreSQL's own")
    if settings.listen_url is not None:
        yield _listening(row.started)
    schema = _schema()
    yield schema
    if schema.to_do is not None:
        return
    database.require_database()
    yield Finding("PostgreSQL's disk", "it takes what is written")


def _clock(subject: str, clock: float, asked: float, answered: float) -> Finding:
    """How far a clock is from this machine's, which was read before and after."""
    off = max(asked - clock, clock - answered, 0)
    wrong = off > LARGEST_CLOCK_SECONDS
    return Finding(subject, f"{off:.1f} s from this machine's.", "let NTP set both clocks" if wrong else None)


def _pooler(settings: Settings) -> Finding:
    """Which mode it is in: two connections at a time have one server only where transactions share servers."""
    engine = connections.get_engine()
    with deadlines.time_limit(deadlines.ANSWER_SECONDS), engine.connect() as one, engine.connect() as other:
        shared = any(_backend(one) == _backend(other) for _ in range(POOLER_TRIES))
    mode = "transaction mode" if shared else "session mode, as it seems"
    heard = "LISTEN goes over DATABASE_LISTEN_URL" if settings.listen_url else "event streams look once a second"
    return Finding("pooler", f"{mode}; {heard}")


def _backend(connection: Connection) -> int:
    with connection.begin():
        return int(connection.execute(text("SELECT pg_backend_pid()")).scalar_one())


def _listening(started: Any) -> Finding:
    """Whether it hears, and the same server."""
    subject = "DATABASE_LISTEN_URL"
    try:
        connection = database.listen(sql.CHANNEL, seconds=deadlines.ANSWER_SECONDS)
    except Unavailable as error:
        return Finding(subject, str(error), "name PostgreSQL itself")
    if connection is None:
        return Finding(subject, "it leads to a pooler as well.", "name PostgreSQL itself")
    with connection:
        same = connection.execute(text("SELECT pg_postmaster_start_time()")).scalar_one() == started
        connection.invalidate()
    return Finding(subject, "it hears" if same else "it is another server.", None if same else "name the same server")


def _schema() -> Finding:
    with database.transaction() as connection:
        found = migrations.schema(connection)
        parts = "" if database.has_canvas(connection) else "; without canvas"
    if found.is_newer:
        what = f"{found.found}, newer than this release's {found.newest}; releases may run side by side"
        return Finding("schema", what)
    if found.found != found.newest:
        return Finding("schema", f"{found.found or 'none'}; the newest is {found.newest}.", advice.MIGRATE)
    return Finding("schema", f"{found.found}, the newest{parts}")


def _redis() -> Iterator[Finding]:
    asked = time.time()
    found = server.describe()
    answered = time.time()
    yield Finding("Redis", found.version)
    yield _clock("Redis' clock", found.clock, asked, answered)
    wrong = found.eviction != "noeviction"
    yield Finding(
        "Redis' eviction policy",
        found.eviction,
        "set maxmemory-policy noeviction: messages would vanish" if wrong else None,
    )
    server.require_broker()
    yield Finding("Redis' memory and disk", "it takes what is written")


def _result_backend(settings: Settings) -> Iterator[Finding]:
    results.outcome(str(uuid4()))
    yield Finding(
        "result backend", "it answers" if settings.celery_result_backend else "the broker's Redis; it answers"
    )


def _data_dir(settings: Settings) -> Iterator[Finding]:
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=settings.data_dir) as file:
            file.write(bytes(1024 * 1024))
    except OSError as error:
        wrong = f"{settings.data_dir.absolute()}: {error.strerror}."
        yield Finding("DATA_DIR", wrong, advice.unreachable("DATA_DIR"))
        return
    yield Finding("DATA_DIR", f"{settings.data_dir.absolute()} can be written to")
