"""SQL that finds runs in which something will not come any more. What becomes of them `tasks` writes."""

from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import Connection, text

from background.canvas.sql.runs import UNFINISHED
from background.canvas.states import RUN_FINAL
from background.storage.prepared import Prepared
from background.storage.schema import one_of

RUNS, TASKS = 200, 500
"""A pass looks at so many runs, or such as have so many waiting tasks, the last of them counted whole."""
SECONDS_PER_RUN, SECONDS_PER_TASK = 0.01, 0.004
"""For so many seconds a pass rests for each run and each waiting task that it has looked at."""

# Few run at a time, and an index has those alone.
_LOST_WITH_WORKER = Prepared(
    "run_tasks_lost",
    """
SELECT run_id, id::text, worker FROM run_tasks
WHERE state = 'STARTED' AND started_at NOT BETWEEN now() - CAST(:patience AS float8) * interval '1 second'
                                               AND now() + CAST(:patience AS float8) * interval '1 second'
  AND worker_id IS NOT NULL
  AND NOT EXISTS (SELECT FROM workers WHERE workers.id = worker_id
                  AND seen_at > now() - CAST(:patience AS float8) * interval '1 second')
LIMIT 500
""",
)

# What runs may end, though nothing of it is left in the broker.
_ELSEWHERE = """
    (SELECT id FROM runs
     WHERE status IN {unfinished} AND epoch {beyond} CAST(:epoch AS text) AND updated_at < now() - {still}
       AND NOT EXISTS (SELECT FROM run_tasks WHERE run_id = runs.id AND state = 'STARTED')
     ORDER BY epoch LIMIT 50)
"""
_STILL = "interval '5 seconds'"
_LEFT_BEHIND = Prepared(
    "runs_left_behind",
    " UNION ALL ".join(_ELSEWHERE.format(unfinished=UNFINISHED, beyond=beyond, still=_STILL) for beyond in ("<", ">")),
)

# Who ran it can say no more that nothing comes of it.
_IS_ORPHAN = f"""
    NOT closed AND {one_of("state", RUN_FINAL)} AND worker_id <> ALL (ARRAY(
        SELECT workers.id FROM workers WHERE seen_at > now() - CAST(:patience AS float8) * interval '1 second'))
"""
_IS_SILENT = """
    updated_at < now() - CASE WHEN {orphans} THEN CAST(:patience AS float8) ELSE CAST(:silence AS float8) END
                         * interval '1 second'
"""

# A rest that were longer was begun before the clock was set back.
_LONGEST = "interval '1 minute'"
# One after another gets its turn, from the oldest on; whoever sweeps next goes on from there.
_NEXT = Prepared(
    "runs_next",
    f"""
WITH sweep AS (
    SELECT place FROM sweeps WHERE rest_until NOT BETWEEN now() AND now() + {_LONGEST}
), run AS (
    SELECT id, task_id, status, epoch, failed, updated_at, total - settled AS tasks,
        sum(total - settled) OVER (ORDER BY runs.id) - (total - settled) AS before
    FROM (SELECT * FROM runs WHERE status IN {UNFINISHED} AND id > (SELECT place FROM sweep)
          ORDER BY runs.id LIMIT {RUNS}) AS runs
), moved AS (
    UPDATE sweeps
    SET place = CASE WHEN looked.last < {RUNS} AND looked.runs = looked.last THEN 0 ELSE looked.place END,
        rest_until = now() + (looked.runs * {SECONDS_PER_RUN} + looked.tasks * {SECONDS_PER_TASK}) * interval '1 second'
    FROM sweep, (
        SELECT count(*) FILTER (WHERE before < {TASKS}) AS runs, count(*) AS last,
            coalesce(sum(tasks) FILTER (WHERE before < {TASKS}), 0) AS tasks,
            coalesce(max(id) FILTER (WHERE before < {TASKS}), 0) AS place
        FROM run) AS looked
)
SELECT run.id, task_id::text, waiting, queues,
    epoch <> CAST(:epoch AS text) OR failed > 0 OR tasks = 0 OR NOT is_busy
        OR is_unclosed AND {_IS_SILENT.format(orphans="has_orphans")} AS is_odd,
    {_IS_SILENT.format(orphans="has_orphans")} AS is_silent,
    status = 'PENDING' AND NOT has_started AND updated_at < now() - CAST(:unpublished AS float8) * interval '1 second'
        AND updated_at > now() - CAST(:known AS float8) * interval '1 second' AS is_untouched,
    extract(epoch FROM now() - updated_at)::float8 AS still_seconds
FROM run, LATERAL (
    SELECT coalesce(array_agg(t.id::text) FILTER (WHERE called AND state IN {UNFINISHED}), '{{}}') AS waiting,
        coalesce(array_agg(DISTINCT queue) FILTER (WHERE queue IS NOT NULL), '{{}}') AS queues,
        bool_or(called AND NOT closed AND state <> 'SKIPPED') AS is_busy, bool_or(starts > 0) AS has_started,
        bool_or(NOT closed AND state NOT IN ('PENDING', 'STARTED', 'SKIPPED')) AS is_unclosed,
        coalesce(bool_or({_IS_ORPHAN}), false) AS has_orphans
    FROM run_tasks t WHERE run_id = run.id) AS its
WHERE before < {TASKS} AND updated_at < now() - {_STILL}
""",
)

# Messages name a task by the id that several calls of it share, too.
_RUN = text(f"""
SELECT task_id::text, epoch <> :epoch AS is_elsewhere, settled = total AS is_settled,
    ARRAY(SELECT id::text FROM run_tasks WHERE run_id = runs.id) || CAST(ids AS text[]) AS ids,
    ARRAY(SELECT DISTINCT queue FROM run_tasks WHERE run_id = runs.id AND queue IS NOT NULL) AS queues,
    status = 'PENDING' AND NOT EXISTS (SELECT FROM run_tasks WHERE run_id = runs.id AND starts > 0) AS is_untouched,
    {_IS_SILENT.format(orphans=f"EXISTS (SELECT FROM run_tasks WHERE run_id = runs.id AND {_IS_ORPHAN})")} AS is_silent,
    extract(epoch FROM now() - updated_at)::float AS still_seconds
FROM runs WHERE id = :run_id
""")

_CLOSE_ENDED = text(f"""
UPDATE run_tasks SET closed = true WHERE run_id = :run_id AND NOT closed AND {one_of("state", RUN_FINAL)}
""")

_UNFINISHED = text(f"""
SELECT id::text, state, called, NOT called AND started_at IS NOT NULL AS is_replaced
FROM run_tasks WHERE run_id = :run_id AND state IN {UNFINISHED} ORDER BY position
""")
_LOCK_RUN = text("SELECT FROM runs WHERE id = :run_id FOR UPDATE")
_STILL_SO = text("""
SELECT run_tasks.id::text FROM run_tasks
JOIN unnest(CAST(CAST(:ids AS text[]) AS uuid[]), CAST(:states AS text[])) AS seen(id, state)
    ON seen.id = run_tasks.id AND seen.state = run_tasks.state
ORDER BY run_tasks.id FOR UPDATE OF run_tasks
""")


class LostTask(NamedTuple):
    """A task that runs on a worker which has fallen silent."""

    run_id: int
    id: str
    worker: str


class StillRun(NamedTuple):
    """A run in which nothing was recorded for a while; `waiting` has its tasks that were called.

    Their messages went into the usual queue, and into these. `is_untouched`: none has begun. `is_odd`: there may be
    more to say of it than that some of them have ended. `is_silent`: for so long that the broker is asked.
    """

    id: int
    task_id: str
    waiting: list[str]
    queues: list[str]
    is_odd: bool
    is_untouched: bool
    is_silent: bool
    still_seconds: float


class Looked(NamedTuple):
    """A run that is looked into: whether another broker took it (`is_elsewhere`), and how long nothing moves in it.

    `is_untouched`: none of its tasks has begun; `is_settled`: all have ended. Messages of it have these `ids`, and went
    into the usual queue and into these.
    """

    task_id: str
    is_elsewhere: bool
    is_settled: bool
    is_untouched: bool
    is_silent: bool
    still_seconds: float
    ids: list[str]
    queues: list[str]


class Unfinished(NamedTuple):
    """A task that has not ended; `is_replaced`: it has put others in its place, which have yet to end under its id."""

    id: str
    state: str
    called: bool
    is_replaced: bool


def lost_with_worker(connection: Connection, *, patience: float) -> list[LostTask]:
    """Tasks that run on a worker not seen for `patience` seconds."""
    return [LostTask(**row) for row in _LOST_WITH_WORKER(connection, {"patience": patience})]


def left_behind(connection: Connection, *, epoch: str) -> list[int]:
    """Numbers of some runs that another broker took, and in which nothing runs or was recorded for a while."""
    return [row["id"] for row in _LEFT_BEHIND(connection, {"epoch": epoch})]


def next_still(
    connection: Connection, *, epoch: str, patience: float, silence: float, unpublished: float, known: float
) -> list[StillRun]:
    """The runs whose turn it is in which nothing moves.

    One is silent after `silence` seconds, or after `patience` where a worker that was not seen for so long has ended a
    task, and not said that nothing more comes of it. One is untouched when none of its tasks has begun within
    `unpublished` seconds; after `known` seconds that is not told any more.
    """
    values = {"epoch": epoch, "patience": patience, "silence": silence, "unpublished": unpublished, "known": known}
    return [StillRun(**row) for row in _NEXT(connection, values)]


def run(connection: Connection, number: int, *, epoch: str, patience: float, silence: float) -> Looked | None:
    """How a run stands, beside the broker of this epoch; it is silent as in `next_still`."""
    values = {"run_id": number, "epoch": epoch, "patience": patience, "silence": silence}
    row = connection.execute(_RUN, values).mappings().one_or_none()
    return None if row is None else Looked(**row)


def unfinished(connection: Connection, number: int) -> list[Unfinished]:
    """The tasks of a run that have not ended."""
    return [Unfinished(**row) for row in connection.execute(_UNFINISHED, {"run_id": number}).mappings()]


def still_so(connection: Connection, number: int, states: Mapping[str, str]) -> set[str]:
    """Lock the run, and those of these tasks which are still in these states; gives their ids."""
    connection.execute(_LOCK_RUN, {"run_id": number})
    rows = connection.execute(_STILL_SO, {"ids": list(states), "states": list(states.values())})
    return set(rows.scalars())


def close_ended(connection: Connection, number: int) -> None:
    """Record of a run's tasks which have ended that nothing more will come of them."""
    connection.execute(_CLOSE_ENDED, {"run_id": number})
