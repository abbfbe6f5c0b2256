"""SQL that finds jobs, always the newest first, by index.

Indexes are mostly of one status each: so of several statuses each is looked for by itself, and for a param each of all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, text

from background.base import jsontext
from background.base.queue_names import QUEUE
from background.jobs.filters import ErrorCount, JobFilter, meant
from background.jobs.states import ENDED, JobStatus

# As words of a statement: the indexes are of one status each, and worded as they are (see `models`).
STATUS = {status: f"status = '{status}'" for status in JobStatus}
STATUS[JobStatus.PENDING] += " AND priority >= 0"
_NOT_RUNNING = "status <> 'IN_PROGRESS'"
"""As the index of what each worker had says it."""
RARE = (JobStatus.PENDING, JobStatus.FAILED, JobStatus.CANCELLED)
"""What has an index by pipeline."""

MARGIN = timedelta(hours=1)
"""Ids are in the order of time, but for those of transactions that took long: at most so long, where a time is asked
for."""

PROBED = 200
"""How many of the newest jobs tell how frequent a param or a tag is."""
_SIZED: dict[JobStatus | None, str] = {
    JobStatus.PENDING: "ix_jobs_pending_by_id",
    JobStatus.IN_PROGRESS: "ix_jobs_claim_token",
    JobStatus.FAILED: "ix_jobs_failed",
    JobStatus.CANCELLED: "ix_jobs_cancelled",
}
"""What PostgreSQL counts the jobs of a status by, about."""

# Nothing that is asked for in a query may keep PostgreSQL busy for longer than somebody waits.
_LIMITS = text("SET LOCAL statement_timeout = '4s'; SET LOCAL jit = off; SET LOCAL enable_seqscan = off")
# By halves of the range, each with a look at one row.
_FIRST_ID = text("""
WITH RECURSIVE halves (low, high) AS (
    SELECT coalesce(min(id), 0), coalesce(max(id), 0) + 1 FROM jobs
    UNION ALL
    SELECT CASE WHEN earlier THEN middle + 1 ELSE low END, CASE WHEN earlier THEN high ELSE middle END
    FROM halves CROSS JOIN LATERAL (SELECT (low + high) / 2 AS middle) AS half
        CROSS JOIN LATERAL (SELECT coalesce((
            SELECT created_at FROM jobs WHERE id >= middle ORDER BY id LIMIT 1
        ) < :moment, false) AS earlier) AS look
    WHERE low < high
)
SELECT max(low) FROM halves
""")


def of(pipeline: str, status: JobStatus | None) -> str:
    """The condition for jobs of a pipeline, and of a status if one is given, as the index has it that serves both."""
    if status is None:
        return f"pipeline = {pipeline}"
    name = "pipeline || ''" if status in RARE else "pipeline"
    return f"{name} = {pipeline} AND {STATUS[status]}"


class Page(NamedTuple):
    """SQL of a table of jobs, to be used in a `FROM`, and its values."""

    sql: str
    values: dict[str, Any]


def page(connection: Connection, wanted: JobFilter, *, limit: int, columns: str = "id") -> Page:
    """The newest `limit` jobs that are wanted, in any order."""
    values: dict[str, Any] = {"limit": limit}
    base, searched = _listed(wanted, values), _searched(wanted, values)
    statuses: Sequence[JobStatus | None] = list(dict.fromkeys(wanted.status))
    if not statuses:
        statuses = list(JobStatus) if wanted.params or wanted.worker is not None else [None]
    if wanted.error is not None:
        base.append("error IS NOT NULL")
        # What is COMPLETED has none any more.
        statuses = [status for status in statuses if status is not JobStatus.COMPLETED]
    if wanted.searches:
        connection.execute(_LIMITS)
        base += _ids(connection, wanted, values)
    had = [_NOT_RUNNING] if wanted.worker is not None else []
    parts = [
        _Part(columns, each, wanted.pipeline, base if each is JobStatus.IN_PROGRESS else base + had, searched)
        for each in statuses
    ]
    by_index = [part for part in parts if wanted.tag or (wanted.params and part.status in ENDED)]
    collected = _rare(connection, by_index, values) if by_index else set()
    sql = [f"({part.collected() if part in collected else part.listed()})" for part in parts]
    if len(sql) == 1:
        return Page(sql[0], values)
    if not sql:
        return Page(f"(SELECT {columns} FROM jobs WHERE false)", values)
    return Page(f"(SELECT * FROM ({' UNION ALL '.join(sql)}) AS each ORDER BY id DESC LIMIT :limit)", values)


@dataclass(frozen=True, eq=False)
class _Part:
    """Jobs of one status, or of any: `base` is what ordered indexes have, or nearly, and `searched` the rest."""

    columns: str
    status: JobStatus | None
    pipeline: str | None
    base: Sequence[str]
    searched: Sequence[str]

    def listed(self) -> str:
        """From the newest on until there are enough, past those that are not what is searched for."""
        kind = [of(":pipeline", self.status)] if self.pipeline is not None else []
        kind += [STATUS[self.status]] if self.status is not None and self.pipeline is None else []
        newest = f"SELECT * FROM jobs {_where(*kind, *self.base)} ORDER BY id DESC"
        if not self.searched:
            return f"SELECT {self.columns} FROM ({newest} LIMIT :limit) AS newest"
        # PostgreSQL looks into what has an OFFSET for its order alone.
        return f"""
            SELECT {self.columns} FROM ({newest} OFFSET 0) AS newest {_where(*self.searched)}
            ORDER BY id DESC LIMIT :limit
        """

    def collected(self) -> str:
        """All of them, by what is searched for, of which the newest are taken: no index has that order."""
        kind = [f"(status || '') = '{self.status}'"] if self.status is not None else []
        kind += ["pipeline = :pipeline"] if self.pipeline is not None else []
        where = _where(*kind, *self.base, *self.searched)
        return f"SELECT {self.columns} FROM jobs {where} ORDER BY id + 0 DESC LIMIT :limit"

    def probe(self) -> str:
        """How many of the newest `PROBED` there are, how many of those are wanted, and of how many they are part."""
        kind = [STATUS[self.status]] if self.status is not None else []
        newest = f"SELECT * FROM jobs {_where(*kind, *self.base)} ORDER BY id DESC LIMIT {PROBED}"
        size = f"(SELECT reltuples FROM pg_class WHERE oid = to_regclass('{_SIZED.get(self.status, 'jobs')}'))"
        hits = f"count(*) FILTER ({_where(*self.searched)})"
        return f"SELECT {size} AS size, count(*) AS looked, {hits} AS hits FROM ({newest}) AS newest"


def _where(*conditions: str) -> str:
    return f"WHERE {' AND '.join(conditions)}" if conditions else ""


def _rare(connection: Connection, parts: Sequence[_Part], values: dict[str, Any]) -> set[_Part]:
    """Of which of these so few are wanted that those are better collected: that reads share * size jobs.

    A walk from the newest on reads limit / share. The share is that of the newest ones. PostgreSQL has none: it takes
    what is searched for and the status for independent, and would walk through all that have failed for a param that
    only others have.
    """
    looks = [f"SELECT {place} AS place, * FROM ({part.probe()}) AS probe" for place, part in enumerate(parts)]
    rows = connection.execute(text(f"{' UNION ALL '.join(looks)} ORDER BY place"), values)
    enough = values["limit"] * PROBED**2
    return {
        part for part, row in zip(parts, rows, strict=True) if row.looked == PROBED and row.hits**2 * row.size < enough
    }


def _listed(wanted: JobFilter, values: dict[str, Any]) -> list[str]:
    """The conditions that indexes with an order have."""
    values |= wanted.model_dump(exclude={"status", "tag", "params"}, exclude_none=True)
    chosen = [f"{name} = :{name}" for name in ("queue", "worker", "schedule_id") if name in values]
    if wanted.queue not in (None, QUEUE):
        chosen.append(f"queue <> '{QUEUE}'")
    if wanted.before is not None:
        chosen.append("id < :before")
    return chosen


def _searched(wanted: JobFilter, values: dict[str, Any]) -> list[str]:
    """The conditions that none of those has."""
    chosen = []
    if wanted.tag:
        values["tags"] = wanted.tag
        chosen.append("tags @> CAST(:tags AS text[]) AND cardinality(tags) > 0")
    if wanted.error is not None:
        chosen.append("strpos(lower(error), lower(:error)) > 0")
    if wanted.created_after is not None:
        chosen.append("created_at >= :created_after")
    if wanted.created_before is not None:
        chosen.append("created_at < :created_before")
    for place, (name, texts) in enumerate(wanted.params.items()):
        either = []
        for number, each in enumerate(json_text for given in texts for json_text in meant(given)):
            values[f"param_{place}_{number}"] = _nested(name, each)
            either.append(f"params @> CAST(:param_{place}_{number} AS jsonb)")
        chosen.append(f"({' OR '.join(either)})")
    return chosen


def _nested(name: str, value: str) -> str:
    """The JSON text of an object that has this JSON text at a name with dots."""
    for key in reversed(name.split(".")):
        value = f"{{{jsontext.dumps(key)}: {value}}}"
    return value


def _ids(connection: Connection, wanted: JobFilter, values: dict[str, Any]) -> list[str]:
    """Between which ids jobs of a time are: the exact condition alone would have all newer ones read."""
    chosen = []
    for name, sign, moment in (
        ("from_id", ">=", wanted.created_after and _shifted(wanted.created_after, -MARGIN)),
        ("to_id", "<", wanted.created_before and _shifted(wanted.created_before, MARGIN)),
    ):
        if moment is not None:
            values[name] = connection.execute(_FIRST_ID, {"moment": moment}).scalar_one()
            chosen.append(f"id {sign} :{name}")
    return chosen


def _shifted(moment: datetime, by: timedelta) -> datetime:
    try:
        return moment + by
    except OverflowError:
        return moment


def ids(connection: Connection, wanted: JobFilter, *, limit: int) -> list[int]:
    """The ids of the newest `limit` jobs that are wanted, newest first."""
    found = page(connection, wanted, limit=limit)
    return list(
        connection.execute(text(f"SELECT id FROM {found.sql} AS found ORDER BY id DESC"), found.values).scalars()
    )


def still(connection: Connection, wanted: JobFilter, job_ids: Sequence[int]) -> set[int]:
    """Which of these jobs are wanted, as they are now."""
    values: dict[str, Any] = {"job_ids": list(job_ids)}
    chosen = ["id = ANY(:job_ids)", *_listed(wanted, values), *_searched(wanted, values)]
    if wanted.pipeline is not None:
        chosen.append("pipeline = :pipeline")
    if wanted.status:
        chosen.append("status = ANY(:statuses)")
        values["statuses"] = [status.value for status in wanted.status]
    return set(connection.execute(text(f"SELECT id FROM jobs {_where(*chosen)}"), values).scalars())


def count(connection: Connection, wanted: JobFilter, *, most: int) -> int:
    """How many are wanted, up to `most`."""
    found = page(connection, wanted, limit=most)
    return int(connection.execute(text(f"SELECT count(*) FROM {found.sql} AS found"), found.values).scalar_one())


def errors(connection: Connection, wanted: JobFilter, *, among: int, most: int) -> list[ErrorCount]:
    """The errors of the newest jobs that are wanted and have failed, so many of them: the `most` frequent first."""
    if wanted.status and JobStatus.FAILED not in wanted.status:
        return []
    failed = wanted.model_copy(update={"status": [JobStatus.FAILED]})
    found = page(connection, failed, limit=among, columns="id, error")
    statement = f"""
        SELECT error, count(*) AS number FROM {found.sql} AS found WHERE error IS NOT NULL
        GROUP BY error ORDER BY number DESC, error LIMIT :most
    """
    rows = connection.execute(text(statement), {**found.values, "most": most}).mappings()
    return [ErrorCount(**row) for row in rows]
