"""SQL of a worker's pass, one statement: it says that it lives, and sees what there is to do."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import NamedTuple

from sqlalchemy import Connection

from background.canvas.sql.runs import UNFINISHED
from background.jobs.sql.parts import CONTROLS, OF_QUEUES
from background.jobs.sql.rewinding import AHEAD
from background.jobs.sql.work import LOOKED_AT, OF_QUEUE
from background.jobs.states import WAKE_SECONDS
from background.storage.database import has_canvas
from background.storage.prepared import Prepared
from background.workers.identity import Identity
from background.workers.sql import BEAT, FORGET_OLD

# All that a pass looks for when there is nothing to do, by queue as claims look. What has just become due by being
# stored is being published by whoever stored it.
_DUE = f"""
SELECT coalesce(jsonb_object_agg(served, number), '{{}}') FROM {OF_QUEUES} CROSS JOIN LATERAL (
    SELECT count(*) AS number FROM (
        SELECT of_level.* FROM generate_series(9, 0, -1) AS level CROSS JOIN LATERAL (
            SELECT updated_at, run_at FROM jobs WHERE {OF_QUEUE} AND priority = level
            ORDER BY run_at, id LIMIT {LOOKED_AT}) AS of_level
        LIMIT {LOOKED_AT}) AS waiting
    WHERE updated_at < now() - interval '{WAKE_SECONDS} s' OR run_at > updated_at) AS of_queue
"""
_LOOKED = f"""
SELECT extract(epoch FROM now())::float AS clock, extract(epoch FROM pg_postmaster_start_time())::float AS started,
    {AHEAD} AS ahead,
    EXISTS (SELECT FROM jobs WHERE status = 'IN_PROGRESS' AND lease_until < now()) AS lost,
    ({_DUE}) AS due,
    EXISTS (SELECT FROM jobs WHERE turned_away IS NOT NULL AND status = 'PENDING') AS turned_away,
    EXISTS (SELECT FROM jobs WHERE status = 'PENDING' AND held) AS held,
    (SELECT count(*) FROM workers WHERE seen_at > now() - CAST(:patience AS float8) * interval '1 second') AS workers
"""
_RUNS = f"EXISTS (SELECT FROM runs WHERE status IN {UNFINISHED})"


def _statement(name: str, *parts: str, runs: str) -> Prepared:
    return Prepared(name, f"WITH {', '.join((CONTROLS.format(), *parts))} {_LOOKED}, {runs} AS runs")


_BEAT = f"beat AS ({BEAT}), gone AS ({FORGET_OLD})"
# By whether there are the tables of canvases.
_PASS = {True: _statement("pass_with_canvas", _BEAT, runs=_RUNS), False: _statement("pass", _BEAT, runs="false")}
_LOOK = {True: _statement("look_with_canvas", runs=_RUNS), False: _statement("look", runs="false")}


class ToDo(NamedTuple):
    """What a pass finds: PostgreSQL's `clock` in seconds, when it `started`, and by how much what it wrote is `ahead`.

    Whether jobs are `lost` or `turned_away`, and how many, up to `LOOKED_AT`, are `due` in each of the worker's queues
    that nobody publishes just now; whether some are `held` back, and whether there are `runs` that have not ended.
    """

    clock: float
    started: float
    ahead: float
    lost: bool
    due: Mapping[str, int]
    turned_away: bool
    held: bool
    runs: bool
    workers: int


def look(
    connection: Connection,
    identity: Identity | None,
    *,
    queues: Sequence[str],
    queue_length: int | None,
    patience: float,
) -> ToDo:
    """What there is to do in these queues, and how many `workers` have been seen in the last `patience` seconds.

    At the same time one with this `identity` says that it lives, and what it sees of its queues.
    """
    statements, values = _LOOK, {"patience": patience, "queues": list(queues)}
    if identity is not None:
        statements, values = _PASS, {**values, **asdict(identity), "queue_length": queue_length}
    return ToDo(**statements[has_canvas(connection)](connection, values)[0])
