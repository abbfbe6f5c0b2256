"""SQL of what has ended over time: the jobs of the last hour themselves, and sums of 20 minutes of those before.

Both are measured by the same words. A measure is a status, or `waiting` or `running`: seconds, which fall into bins
each a tenth wider than the one before.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection, text

from background.jobs.history import Part
from background.storage.locks import Lock, try_lock

UNIT = timedelta(minutes=20)
"""What is added up."""
SETTLED = timedelta(minutes=2)
"""After its end a unit gets no more jobs: no transaction takes as long."""
KEPT = timedelta(days=8)
RECENT = timedelta(hours=1)
"""Longer ago no jobs are read, only sums."""

_BIN = "CASE WHEN {0} IS NOT NULL THEN ceil(ln(greatest({0}, 0.001)) / ln(1.1)) END"
# A job that was tried again has another run_at than at its first start; it is left out of the waiting time.
_MEASURED = f"""
    SELECT since, pipeline,
        CASE WHEN grouping(status) = 0 THEN status WHEN grouping(waited) = 0 THEN 'waiting' ELSE 'running' END
            AS measure,
        CASE WHEN grouping(waited) = 0 THEN waited WHEN grouping(ran) = 0 THEN ran ELSE 0 END::int AS bin,
        count(*)::int AS number,
        CASE WHEN grouping(waited) = 0 THEN sum(waiting) WHEN grouping(ran) = 0 THEN sum(running) ELSE 0 END AS seconds
    FROM (
        SELECT since, pipeline, status, waiting, running, {_BIN.format("waiting")} AS waited,
            {_BIN.format("running")} AS ran
        FROM (
            SELECT date_bin(:width, finished_at, 'epoch') AS since, pipeline, status, running_seconds AS running,
                CASE WHEN run_at <= started_at THEN extract(epoch FROM started_at - run_at)::float END AS waiting
            FROM jobs WHERE finished_at >= :begin AND finished_at < :until
        ) AS ended
    ) AS binned
    GROUP BY GROUPING SETS ((since, pipeline, status), (since, pipeline, waited), (since, pipeline, ran))
    HAVING grouping(status) = 0 OR (grouping(waited) = 0 AND waited IS NOT NULL)
        OR (grouping(ran) = 0 AND ran IS NOT NULL)
"""

_NEXT = text("""
SELECT since FROM (
    SELECT date_bin(:unit, finished_at, 'epoch') AS since FROM jobs
    WHERE finished_at >= greatest(now() - :kept, (SELECT max(since) + :unit FROM job_history))
    ORDER BY finished_at LIMIT 1
) AS next WHERE since + :unit + :settled <= now()
""")

_ADD_UP = text(f"""
INSERT INTO job_history (since, pipeline, measure, bin, number, seconds) {_MEASURED}
ON CONFLICT DO NOTHING
""")

_FORGET = text("DELETE FROM job_history WHERE since < now() - :kept")

# Those that were counted are not read again.
_FIND = text(f"""
SELECT date_bin(:bucket, since, 'epoch') AS since, measure, bin, sum(number)::int AS number, sum(seconds) AS seconds
FROM (
    SELECT since, pipeline, measure, bin, number, seconds FROM job_history WHERE since >= :summed_from
    UNION ALL
    {_MEASURED}
) AS all_parts
WHERE :pipeline IS NULL OR pipeline = :pipeline
GROUP BY 1, 2, 3
""")

_CLOCK = text("SELECT now() AS now, max(since) + :unit AS summed_until FROM job_history")


class Clock(NamedTuple):
    """PostgreSQL's time, and until when all that ended has been added up, if anything has."""

    now: datetime
    summed_until: datetime | None


def add_up(connection: Connection) -> bool:
    """Add up the next unit in which jobs have ended, and forget what is old. Gives whether there may be another."""
    if not try_lock(connection, Lock.HISTORY):
        return False
    since = connection.execute(_NEXT, {"unit": UNIT, "kept": KEPT, "settled": SETTLED}).scalar_one_or_none()
    if since is None:
        return False
    connection.execute(_ADD_UP, {"width": UNIT, "begin": since, "until": since + UNIT})
    connection.execute(_FORGET, {"kept": KEPT})
    return True


def clock(connection: Connection) -> Clock:
    """The present, as `find` needs it."""
    return Clock(**connection.execute(_CLOCK, {"unit": UNIT}).mappings().one())


def find(
    connection: Connection, time: Clock, *, begin: datetime, bucket: timedelta, pipeline: str | None
) -> list[Part]:
    """What ended from `begin` on, of a pipeline or of all, by buckets: of the last hour alone the jobs themselves."""
    recent = max(begin, time.now - RECENT)
    values = {"bucket": bucket, "pipeline": pipeline, "until": time.now + UNIT}
    if bucket < UNIT:
        values |= {"width": bucket, "begin": recent, "summed_from": "infinity"}
    else:
        values |= {"width": UNIT, "begin": max(recent, time.summed_until or recent), "summed_from": begin}
    return [Part(**row) for row in connection.execute(_FIND, values).mappings()]
