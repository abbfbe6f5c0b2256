"""All SQL of schedules."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, text

from background.base import jsontext
from background.storage.prepared import Prepared
from background.storage.rows import CHANGED_AT

CHANGED = "schedules_changed"
"""The channel on which PostgreSQL tells of a commit that may have moved a due time."""

_COLUMNS = """id, name, job, cron, every_seconds, timezone, catch_up, paused, module, anchor, next_at,
    last_at, last_job_id, last_error, created_at, updated_at, now() AS now"""
_INSERT = text(f"""
INSERT INTO schedules (name, job, cron, every_seconds, timezone, catch_up, paused, module, anchor, next_at)
VALUES (:name, CAST(:job AS jsonb), :cron, :every_seconds, :timezone, :catch_up, :paused, :module, :anchor, :next_at)
RETURNING {_COLUMNS}
""")
_UPDATE = text(f"""
UPDATE schedules SET name = :name, job = CAST(:job AS jsonb), cron = :cron, every_seconds = :every_seconds,
    timezone = :timezone, catch_up = :catch_up, paused = :paused, module = :module, anchor = :anchor,
    next_at = :next_at, last_error = NULL, updated_at = {CHANGED_AT}
WHERE id = :id
RETURNING {_COLUMNS}
""")
_TELL = text(f"SELECT pg_notify('{CHANGED}', '')")
_NOW = text("SELECT now()")
_GET = text(f"SELECT {_COLUMNS} FROM schedules WHERE id = :id")
_LOCK = text(f"SELECT {_COLUMNS} FROM schedules WHERE id = :id FOR UPDATE")
_FIND = text(f"""
SELECT {_COLUMNS} FROM schedules
WHERE id > :after AND (CAST(:pipeline AS text) IS NULL OR job ->> 'pipeline' = :pipeline)
ORDER BY id LIMIT :limit
""")
_DELETE = text("DELETE FROM schedules WHERE id = :id")
# In order, so that two that start at once do not wait for each other.
_LOCK_DECLARED = text(f"""
SELECT {_COLUMNS} FROM schedules WHERE name = ANY(:names) OR module = ANY(:modules) ORDER BY id FOR UPDATE
""")

# What is drawn anew for each job only a process that has the pipeline can draw; any other leaves that to one.
_OURS = """
    (job ->> 'pipeline' = ANY(CAST(:pipelines AS text[])) OR coalesce(job -> 'drawn', '[]') = '[]')
"""
_UNTIL = Prepared(
    "schedules_until",
    f"SELECT extract(epoch FROM min(next_at) - now())::float8 AS seconds FROM schedules WHERE {_OURS}",
)
_TAKE = Prepared(
    "schedules_take",
    f"""
SELECT {_COLUMNS} FROM schedules WHERE next_at <= now() AND {_OURS} AND id <> ALL(CAST(:but AS bigint[]))
ORDER BY next_at, id LIMIT :limit FOR UPDATE SKIP LOCKED
""",
)
_MOVE = Prepared(
    "schedules_move",
    """
UPDATE schedules SET next_at = :next_at, last_at = now(), last_job_id = coalesce(:job_id, last_job_id),
    last_error = :error
WHERE id = :id
""",
)
_NOTE = Prepared("schedules_note", "UPDATE schedules SET last_at = now(), last_job_id = :job_id WHERE id = :id")


class Row(NamedTuple):
    """A schedule as it is stored, and PostgreSQL's time. `module` is where it is declared, if it is."""

    id: int
    name: str
    job: dict[str, Any]
    cron: str | None
    every_seconds: float | None
    timezone: str
    catch_up: bool
    paused: bool
    module: str | None
    anchor: datetime
    next_at: datetime | None
    last_at: datetime | None
    last_job_id: int | None
    last_error: str | None
    created_at: datetime
    updated_at: datetime
    now: datetime


def now(connection: Connection) -> datetime:
    """PostgreSQL's time, the same throughout a transaction."""
    found: datetime = connection.execute(_NOW).scalar_one()
    return found


def insert(connection: Connection, values: dict[str, Any]) -> Row:
    """Store a schedule; workers hear of it with the commit. Raises SQLAlchemy's `IntegrityError` for a taken name."""
    return _written(connection, _INSERT, values)


def update(connection: Connection, schedule_id: int, values: dict[str, Any]) -> Row:
    """Give a locked schedule other values, as above."""
    return _written(connection, _UPDATE, {**values, "id": schedule_id})


def _written(connection: Connection, statement: Any, values: dict[str, Any]) -> Row:
    job = jsontext.as_kept(jsontext.dumps(values["job"]))
    row = connection.execute(statement, {**values, "job": job}).mappings().one()
    connection.execute(_TELL)
    return Row(**row)


def get(connection: Connection, schedule_id: int, *, lock: bool = False) -> Row | None:
    """One schedule, held for the rest of the transaction if asked for."""
    row = connection.execute(_LOCK if lock else _GET, {"id": schedule_id}).mappings().one_or_none()
    return None if row is None else Row(**row)


def find(connection: Connection, *, pipeline: str | None, after: int, limit: int) -> list[Row]:
    """At most `limit` schedules, of a pipeline or of all, with ids behind `after`, in their order."""
    rows = connection.execute(_FIND, {"pipeline": pipeline, "after": after, "limit": limit}).mappings()
    return [Row(**row) for row in rows]


def delete(connection: Connection, schedule_id: int) -> None:
    """Remove a schedule; its jobs stay."""
    connection.execute(_DELETE, {"id": schedule_id})


def lock_declared(connection: Connection, *, names: Sequence[str], modules: Sequence[str]) -> list[Row]:
    """Hold the schedules that have one of these names, or that one of these modules has declared."""
    rows = connection.execute(_LOCK_DECLARED, {"names": list(names), "modules": list(modules)}).mappings()
    return [Row(**row) for row in rows]


def seconds_until_due(connection: Connection, *, pipelines: Collection[str]) -> float | None:
    """Until the first due time that is for a process with these pipelines, less than 0 when it is over."""
    seconds: float | None = _UNTIL(connection, {"pipelines": list(pipelines)})[0]["seconds"]
    return seconds


def take_due(connection: Connection, *, pipelines: Collection[str], but: Collection[int], limit: int) -> list[Row]:
    """Hold schedules that are due, for a process with these pipelines, that nobody else holds, `but` for these ids."""
    values = {"pipelines": list(pipelines), "but": list(but), "limit": limit}
    return [Row(**row) for row in _TAKE(connection, values)]


def move(
    connection: Connection, schedule_id: int, *, next_at: datetime | None, job_id: int | None, error: str | None
) -> None:
    """Note of a held schedule what its due time has made, and when the next is."""
    _MOVE(connection, {"id": schedule_id, "next_at": next_at, "job_id": job_id, "error": error})


def note(connection: Connection, schedule_id: int, *, job_id: int) -> None:
    """Note a job that it has made beside its due times."""
    _NOTE(connection, {"id": schedule_id, "job_id": job_id})
