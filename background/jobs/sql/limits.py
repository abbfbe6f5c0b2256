"""SQL of limits and pauses: what is set, which jobs are held back, and which of them are let in.

A job with a limit before it is held, in `ix_jobs_held`, and not in the part of `ix_jobs_next` at which claims look. Who
lets some in holds a lock: what has run out of room is then counted by one at a time. What was admitted has a permit
until it is claimed (`parts.PERMIT`), and counts as if it ran.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, text

from background.jobs.limits import READY, SHOWN, START, Control, Declared, Lane, Standing
from background.jobs.sql.parts import LET_IN, PERMIT
from background.storage.locks import Lock, try_lock
from background.storage.prepared import Prepared

WAIT_SECONDS = 0.2
"""For so long others that let jobs in are waited for."""
OF_LANE = 50
"""So many jobs of a lane are let in at once at most."""

# One that was turned away, and not sent to a release yet, cannot be claimed.
_HELD = "status = 'PENDING' AND held"
_DUE = "run_at <= now() AND (turned_away IS NULL OR sent_to IS NOT NULL)"

_AFTER = f"""
    SELECT queue, pipeline, limit_key FROM jobs
    WHERE {_HELD} AND {{after}}
    ORDER BY queue, pipeline, limit_key LIMIT 1
"""
_COUNTED = f"""
    (SELECT count(*) FROM (SELECT FROM jobs WHERE {_HELD} AND queue = lane.queue AND pipeline = lane.pipeline
                           AND limit_key = lane.key AND {_DUE} LIMIT {OF_LANE}) AS due) AS number
"""
_BEHIND = "(queue, pipeline, limit_key) > ({})"
_WALK = f"""
lane{{number}} (queue, pipeline, key) AS (
    ({_AFTER.format(after="{after}")})
    UNION ALL
    SELECT next.* FROM lane{{number}} AS lane
        CROSS JOIN LATERAL ({_AFTER.format(after=_BEHIND.format("lane.queue, lane.pipeline, lane.key"))}) AS next
)
"""
_FROM_FIRST = _WALK.format(number=2, after=_BEHIND.format("'', '', ''"))
# A walk from one lane to the next, to the last and from the first on: the jobs in between are not read.
_LANES, _LANES_BEHIND_PIPELINE = (
    Prepared(
        name,
        f"""
WITH RECURSIVE {_WALK.format(number=1, after=after)}, {_FROM_FIRST}
SELECT queue, pipeline, key, {_COUNTED}
FROM (SELECT * FROM lane1 UNION ALL SELECT * FROM lane2) AS lane LIMIT :most
""",
    )
    for name, after in (
        ("limits_lanes", _BEHIND.format("CAST(:queue AS text), CAST(:pipeline AS text), CAST(:key AS text)")),
        ("limits_lanes_behind", "(queue, pipeline) > (CAST(:queue AS text), CAST(:pipeline AS text))"),
    )
)
_CONTROLS = "(SELECT coalesce(jsonb_agg(to_jsonb(job_controls)), '[]') FROM job_controls)"
_ALL = "true"
_ONE = "pipeline = CAST(:pipeline AS text) AND limit_key = CAST(:key AS text)"
_READY = f"status = 'PENDING' AND NOT held AND {LET_IN} AND {PERMIT}"
_USED = "(SELECT coalesce(jsonb_agg(to_jsonb(running)), '[]') FROM ({running}) AS running)"
_RUNNING = f"""
SELECT queue, pipeline, limit_key AS key, waits, count(*) AS number, (array_agg(id ORDER BY id))[1: {SHOWN}] AS ids
FROM (
    SELECT id, queue, pipeline, limit_key, false AS waits FROM jobs WHERE status = 'IN_PROGRESS' AND {{which}}
    UNION ALL
    SELECT id, queue, pipeline, limit_key, true FROM jobs
    WHERE {_READY} AND {{which}}
) AS begun GROUP BY queue, pipeline, limit_key, waits
"""
_LAST = f"SELECT queue, pipeline, limit_key AS key FROM jobs WHERE {LET_IN} ORDER BY admitted_at DESC LIMIT 1"
_STANDING = Prepared(
    "limits_standing",
    f"""
SELECT {_CONTROLS} AS controls, {_USED.format(running=_RUNNING.format(which=_ALL))} AS running,
    (SELECT to_jsonb(last) FROM ({_LAST}) AS last) AS last
""",
)
_SET_ALONE = Prepared("limits_set", f"SELECT {_CONTROLS} AS controls, '[]'::jsonb AS running, NULL AS last")
# The lane of a job that has ended: what uses its limits, and what waits in it, or in others.
_OWN = "(lane.queue, lane.pipeline, lane.key)"
_OTHERS = " OR ".join(
    f"EXISTS (SELECT FROM jobs WHERE {_HELD} AND (queue, pipeline, limit_key) {side} {_OWN})" for side in "<>"
)
_STANDING_OF = Prepared(
    "limits_standing_of",
    f"""
SELECT {_CONTROLS} AS controls, {_USED.format(running=_RUNNING.format(which=_ONE))} AS running, NULL AS last,
    {_COUNTED}, {_OTHERS} AS others,
    (SELECT count(*) FROM (SELECT FROM jobs WHERE {_READY} AND queue = lane.queue LIMIT {READY}) AS admitted) AS ready
FROM (SELECT CAST(:queue AS text) AS queue, CAST(:pipeline AS text) AS pipeline, CAST(:key AS text) AS key) AS lane
""",
)
# A job that was tried again has begun more than once; of all others the rows of jobs are enough.
_WINDOW = "now() - CAST(:seconds AS float8) * interval '1 second'"
_BEGUN, _BEGUN_OF = (
    Prepared(
        name,
        f"""
SELECT queue, pipeline, limit_key AS key, sum(CASE attempt WHEN 1 THEN 1 ELSE (
    SELECT count(*) FROM job_events WHERE job_id = jobs.id AND kind = 'started' AND at > {_WINDOW}) END)::int AS number
FROM jobs WHERE admitted_at IS NOT NULL AND claimed_at > {_WINDOW} AND {which}
GROUP BY queue, pipeline, limit_key
UNION ALL
SELECT queue, pipeline, limit_key, count(*)::int FROM job_begins
WHERE at > {_WINDOW} AND {which} AND NOT EXISTS (
    SELECT FROM jobs WHERE id = job_id AND jobs.limit_key = job_begins.limit_key)
GROUP BY queue, pipeline, limit_key
""",
    )
    for name, which in (("limits_begun", _ALL), ("limits_begun_of", _ONE))
)
# What no rate counts any more goes at the same time; of a pipeline that is not known here that cannot be told.
_LONGEST = "(SELECT greatest(CAST(:seconds AS float8), max(rate_seconds)) FROM job_controls)"
_COUNTED_STILL = f"now() - {_LONGEST} * interval '1 second'"
_KEEP_BEGUN = Prepared(
    "limits_keep_begun",
    f"""
WITH past AS (
    SELECT ctid AS place FROM job_begins WHERE at <= {_COUNTED_STILL} AND pipeline = ANY (CAST(:known AS text[]))
    LIMIT 1000 FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM job_begins WHERE ctid = ANY (ARRAY(SELECT place FROM past))
)
INSERT INTO job_begins (job_id, at, queue, pipeline, limit_key)
SELECT id, begun.at, queue, pipeline, limit_key FROM jobs CROSS JOIN LATERAL (
    SELECT claimed_at AS at WHERE jobs.attempt = 1
    UNION ALL
    SELECT at FROM job_events WHERE jobs.attempt > 1 AND job_id = jobs.id AND kind = 'started') AS begun
WHERE id = ANY (CAST(:ids AS bigint[])) AND admitted_at IS NOT NULL AND claimed_at > {_COUNTED_STILL}
    AND begun.at > {_COUNTED_STILL}
ON CONFLICT DO NOTHING
""",
)
# The time of the last lane is the latest: from there on the next turn goes. What is picked is picked once, whatever the
# plan: read again for each row of a join it would go on behind what it has locked, and let in more than have room.
_ADMIT = Prepared(
    "limits_admit",
    f"""
WITH chosen AS (
    SELECT * FROM unnest(CAST(:queues AS text[]), CAST(:pipelines AS text[]), CAST(:keys AS text[]),
                         CAST(:numbers AS int[])) WITH ORDINALITY AS chosen(queue, pipeline, key, number, place)
), own AS MATERIALIZED (
    SELECT picked.id AS picked, place FROM chosen CROSS JOIN LATERAL (
        SELECT id FROM jobs WHERE {_HELD} AND queue = chosen.queue AND pipeline = chosen.pipeline
            AND limit_key = chosen.key AND {_DUE}
        ORDER BY priority DESC, run_at, id LIMIT chosen.number FOR UPDATE SKIP LOCKED) AS picked
), admitted AS (
    UPDATE jobs SET held = false, admitted_at = now() + place * interval '1 microsecond'
    FROM own WHERE id = picked RETURNING jobs.queue
)
SELECT queue, count(*) AS number FROM admitted GROUP BY queue
""",
)
_HOLD = {
    "queue": f"queue = :name AND turned_away IS NULL AND NOT held AND NOT ({PERMIT})",
    "pipeline": "pipeline || '' = :name AND priority >= 0 AND NOT held",
}
_HOLD_SOME = """
WITH own AS MATERIALIZED (
    SELECT id AS picked FROM jobs WHERE status = 'PENDING' AND {which} LIMIT 1000 FOR UPDATE SKIP LOCKED
)
UPDATE jobs SET held = true FROM own WHERE id = picked
"""
_SET = text("""
INSERT INTO job_controls (kind, name, paused, concurrency, rate_count, rate_seconds)
VALUES (:kind, :name, coalesce(:paused, false), :concurrency, :rate_count, :rate_seconds)
ON CONFLICT (kind, name) DO UPDATE SET
    paused = coalesce(:paused, job_controls.paused),
    concurrency = CASE WHEN :sets_concurrency THEN excluded.concurrency ELSE job_controls.concurrency END,
    rate_count = CASE WHEN :sets_rate THEN excluded.rate_count ELSE job_controls.rate_count END,
    rate_seconds = CASE WHEN :sets_rate THEN excluded.rate_seconds ELSE job_controls.rate_seconds END
""")
_QUEUES = text("""
WITH RECURSIVE found (queue) AS (
    (SELECT queue FROM jobs WHERE status = 'PENDING' AND turned_away IS NULL ORDER BY queue LIMIT 1)
    UNION ALL
    SELECT (SELECT jobs.queue FROM jobs WHERE status = 'PENDING' AND turned_away IS NULL AND jobs.queue > found.queue
            ORDER BY jobs.queue LIMIT 1)
    FROM found WHERE queue IS NOT NULL
)
SELECT queue, sum(waiting)::bigint AS waiting, sum(running)::bigint AS running FROM (
    SELECT queue, (SELECT count(*) FROM jobs WHERE jobs.queue = found.queue AND status = 'PENDING'
                   AND turned_away IS NULL AND run_at <= now()) AS waiting, 0 AS running
    FROM found WHERE queue IS NOT NULL
    UNION ALL
    SELECT queue, 0, count(*) FROM jobs WHERE status = 'IN_PROGRESS' GROUP BY queue
) AS of_queue GROUP BY queue
""")


class Load(NamedTuple):
    """How many jobs of a queue are due and wait, and how many run."""

    queue: str
    waiting: int
    running: int


def lock(connection: Connection) -> bool:
    """Whether this transaction may let jobs in: one at a time, and others are waited for, but not for long."""
    until = time.monotonic() + WAIT_SECONDS
    while not try_lock(connection, Lock.ADMISSION):
        if time.monotonic() > until:
            return False
        time.sleep(0.005)
    return True


def standing(connection: Connection, declared: Mapping[str, Declared], *, used: bool = True) -> Standing:
    """How limits stand, with these of pipelines; without what uses them unless that is asked for."""
    (row,) = (_STANDING if used else _SET_ALONE)(connection, {})
    found = _standing(row, declared)
    for seconds in found.windows() if used else ():
        _add_begun(found, seconds, _BEGUN(connection, {"seconds": seconds}))
    return found


def standing_of(connection: Connection, declared: Mapping[str, Declared], lane: Lane) -> tuple[Standing, int, bool]:
    """The same as far as the keys of this lane are concerned, and how many jobs of it are held and due.

    And whether jobs are held in other lanes.
    """
    values = lane._asdict()
    (row,) = _STANDING_OF(connection, values)
    found = _standing(row, declared)
    found.ready[lane.queue] = row["ready"]
    for seconds in {gate.limit.seconds for gate in found.gates(lane)} - {None}:
        _add_begun(found, seconds, _BEGUN_OF(connection, {**values, "seconds": seconds}))
    return found, row["number"], row["others"]


def keep_begun(
    connection: Connection, job_ids: Sequence[int], declared: Mapping[str, Declared], *, known: Iterable[str]
) -> None:
    """Keep what rates, these of pipelines among them, count of jobs that are to be deleted, or to get another key.

    `known` are all pipelines of this release.
    """
    seconds = max(Standing({}, declared).windows(), default=0)
    _KEEP_BEGUN(connection, {"ids": list(job_ids), "seconds": seconds, "known": list(known)})


def _standing(row: Mapping[str, Any], declared: Mapping[str, Declared]) -> Standing:
    controls = {(each.pop("kind"), each.pop("name")): Control(**each) for each in row["controls"]}
    found = Standing(controls, declared, last=Lane(**row["last"]) if row["last"] else START)
    for each in row["running"]:
        own = Lane(each["queue"], each["pipeline"], each["key"])
        found.running(own, each["number"], each["ids"])
        if each["waits"]:
            found.begun(own, each["number"], None)
            found.ready[own.queue] += each["number"]
    return found


def _add_begun(found: Standing, seconds: float | None, rows: Sequence[Mapping[str, Any]]) -> None:
    for each in rows:
        found.begun(Lane(each["queue"], each["pipeline"], each["key"]), each["number"], seconds)


def lanes(connection: Connection, *, after: Lane, most: int, whole: bool = False) -> list[tuple[Lane, int]]:
    """At most so many lanes in which jobs are held, and how many are due, up to `OF_LANE`; from behind this one on.

    Behind the last comes the first again. `whole`: from behind all of its queue and pipeline on.
    """
    statement = _LANES_BEHIND_PIPELINE if whole else _LANES
    return [_counted(row) for row in statement(connection, {**after._asdict(), "most": most})]


def _counted(row: Mapping[str, Any]) -> tuple[Lane, int]:
    return Lane(row["queue"], row["pipeline"], row["key"]), row["number"]


def admit(connection: Connection, chosen: Mapping[Lane, int]) -> dict[str, int]:
    """Let in so many jobs of each lane, the best first; gives how many came of each queue. Under the lock."""
    values = {
        "queues": [each.queue for each in chosen],
        "pipelines": [each.pipeline for each in chosen],
        "keys": [each.key for each in chosen],
        "numbers": list(chosen.values()),
    }
    return {row["queue"]: row["number"] for row in _ADMIT(connection, values)}


def change(
    connection: Connection, kind: str, name: str, *, paused: bool | None, changes: Mapping[str, Sequence[Any] | None]
) -> None:
    """Pause or resume a queue or pipeline (`None`: as it is), and set those limits that are among the `changes`."""
    concurrency, rate = changes.get("concurrency") or (None,), changes.get("rate") or (None, None)
    values = {"paused": paused, "concurrency": concurrency[0], "rate_count": rate[0], "rate_seconds": rate[1]}
    sets = {"sets_concurrency": "concurrency" in changes, "sets_rate": "rate" in changes}
    connection.execute(_SET, {"kind": kind, "name": name, **values, **sets})


def hold(connection: Connection, kind: str, name: str) -> int:
    """Hold back a batch of what waits in a queue or pipeline; gives how many. The others a claim holds back."""
    return connection.execute(text(_HOLD_SOME.format(which=_HOLD[kind])), {"name": name}).rowcount


def loads(connection: Connection) -> list[Load]:
    """What waits and runs in each queue in which something does."""
    return [Load(**row) for row in connection.execute(_QUEUES).mappings()]
