"""SQL with which a worker works: it ends steps, begins the next ones or ends their jobs, and claims due jobs.

It is one statement, and commits by itself, as those of `transitions`, whose fence it has.
"""

import random
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection

from background.base.queue_names import QUEUE
from background.jobs.sql.parts import (
    CONTROLS,
    FIRST_STEP,
    HAS_STEP,
    IS_COMPLETED,
    IS_OPEN,
    LET_IN,
    MAY_BEGIN,
    OF_QUEUES,
    PERMIT,
    RUNNING_SECONDS,
)
from background.jobs.sql.transitions import HELD
from background.storage.prepared import Prepared
from background.storage.rows import CHANGED_AT, typed

LOOKED_AT = 1_000
"""How many due jobs are counted at most."""
MANY = 100
"""A worker between two jobs stops counting here: each that it counts is a row to look at."""
WAITS = "NOT held AND status = 'PENDING' AND turned_away IS NULL AND run_at <= now()"
"""Whether a job waits for any worker of its queue. It is worded as `ix_jobs_next` is."""
OF_QUEUE = f"queue = served AND {IS_OPEN.format(queue='served')} AND {WAITS}"
"""The same of one of the queues that are `served`."""
_MORE = f"""
    CASE WHEN :peek THEN (SELECT jsonb_object_agg(served, number) FROM {OF_QUEUES} CROSS JOIN LATERAL (
        SELECT count(*) AS number FROM (
            SELECT FROM jobs WHERE {OF_QUEUE} AND id <> ALL (ARRAY({{picked}})) LIMIT {MANY}) AS others
    ) AS of_queue) END
"""

# Ends steps, begins the next ones that are not COMPLETED or ends their jobs, and claims due jobs, all at once: each
# round trip, commit and look at a row costs as much as a step without work. A step that the worker does not have waits
# for another worker, with its job; and one for any slot, where the attempt `yields`.
#
# Ended again after a lost answer, `own` is empty because current_step has moved on, and the job answers as it stands.
# What is claimed is locked first, PENDING as it is then, and who finds it locked takes the next. What is locked is the
# newest row, and is asked whether it may begin: what is paused or limited, and has not been let in, is held back. A
# token is the claimer's own, and no two jobs are claimed with one (`ix_jobs_claim_token`): see `held`. A claimed job
# has no row in `step` when that was completed under this statement's snapshot.
_ENDS = """
ended AS (
    SELECT * FROM unnest(CAST(:job_ids AS bigint[]), CAST(CAST(:holders AS text[]) AS uuid[]),
                         CAST(:steps AS smallint[]), CAST(:outputs AS text[]), CAST(:yields AS boolean[]))
        AS ended(job_id, holder, step, output, yields)
), next AS (
    SELECT ended.*, following, coalesce({has_following}, false) AS able,
        coalesce({has_following}, false) AND NOT yields AS here
    FROM ended JOIN jobs ON jobs.id = job_id CROSS JOIN LATERAL (
        SELECT min(number) AS following FROM generate_subscripts(step_names, 1) AS number
        WHERE number > step AND NOT {is_completed}) AS plan
), own AS (
    UPDATE jobs
    SET status = CASE WHEN following IS NULL THEN 'COMPLETED' WHEN cancel_requested THEN 'CANCELLED'
                      WHEN here THEN 'IN_PROGRESS' ELSE 'PENDING' END,
        lease_until = CASE WHEN here AND NOT cancel_requested THEN lease_until END,
        step_until = CASE WHEN here AND NOT cancel_requested
            THEN now() + least(step_timeouts[following], :time_limit) * interval '1 second' END,
        turned_away = CASE WHEN following IS NOT NULL AND NOT able
            THEN jsonb_build_object('refused_by', '{{}}'::text[]) END,
        held = {let_in} AND NOT here AND NOT cancel_requested AND following IS NOT NULL,
        running_seconds = CASE WHEN NOT here OR cancel_requested THEN {running_seconds} END,
        finished_at = CASE WHEN following IS NULL OR cancel_requested THEN now() END,
        result = CASE WHEN following IS NULL AND current_step = cardinality(step_names) THEN CAST(output AS jsonb)
            WHEN following IS NULL THEN (SELECT job_steps.output FROM job_steps
                WHERE job_steps.job_id = jobs.id AND step_number = cardinality(step_names)) END,
        error = CASE WHEN following IS NOT NULL THEN error END,
        current_step = CASE WHEN following IS NOT NULL AND NOT cancel_requested THEN following ELSE current_step END,
        event_count = event_count + 1, updated_at = {changed_at}
    FROM next
    WHERE id = next.job_id AND claim_token = holder AND {held} AND current_step = next.step
    RETURNING id, status, current_step, step_names, step_timeouts, jobs.attempt, worker, event_count,
        next.step AS ended_step, next.output
), done AS (
    UPDATE job_steps
    SET status = 'COMPLETED', message = 'Step ' || step_number || ' completed successfully', progress = 1,
        output = CAST(own.output AS jsonb), error = NULL, completed_at = now()
    FROM own WHERE job_steps.job_id = own.id AND job_steps.step_number = ended_step
)
"""
_CLAIMS = """
wanted AS (
    SELECT * FROM unnest(CAST(CAST(:tokens AS text[]) AS uuid[]), CAST(:wake_ups AS text[]))
        WITH ORDINALITY AS wanted(token, wake_up, place)
), picked AS (
    SELECT *, row_number() OVER () AS place FROM ({picked}) AS due
), candidate AS (
    SELECT id, place, first, coalesce({has_first}, false) AS here, {trusted} AS trusted, {may_begin} AS may_begin
    FROM picked AS jobs CROSS JOIN LATERAL (SELECT {first_step} AS first OFFSET 0) AS plan
), claimed AS (
    UPDATE jobs
    SET status = 'IN_PROGRESS', attempt = attempt + 1, event_count = event_count + 1, claim_token = token,
        wake_up = wanted.wake_up, worker = :worker, worker_id = :worker_id,
        lease_until = now() + :lease * interval '1 second', current_step = first,
        step_until = now() + least(step_timeouts[first], :time_limit) * interval '1 second',
        sent_to = NULL, running_seconds = NULL, claimed_at = now(),
        started_at = coalesce(started_at, now()), updated_at = {changed_at}
    FROM candidate JOIN wanted USING (place)
    WHERE jobs.id = candidate.id AND here AND trusted AND may_begin
    RETURNING jobs.id, status, current_step, step_names, step_timeouts, attempt, worker, event_count, claim_token,
        pipeline, params, failures, max_attempts, step_keys, task_id, queue, limit_key, admitted_at, request_id
), lacking AS (
    UPDATE jobs
    SET turned_away = CASE WHEN here THEN turned_away
            ELSE coalesce(turned_away, jsonb_build_object('refused_by', '{{}}'::text[])) END,
        sent_to = CASE WHEN here THEN sent_to END, held = NOT candidate.may_begin OR {permit}
    FROM candidate WHERE jobs.id = candidate.id AND NOT (here AND candidate.may_begin)
    RETURNING jobs.id
)
"""
_WRITES = """
step AS (
    INSERT INTO job_steps (job_id, step_number, name, status, message, attempt)
    SELECT id, current_step, step_names[current_step], 'IN_PROGRESS', 'Processing step ' || current_step, attempt
    FROM ({begun}) AS begins
    ON CONFLICT (job_id, step_number) DO UPDATE
    SET status = excluded.status, message = excluded.message, attempt = excluded.attempt, progress = 0,
        output = NULL, error = NULL, started_at = now(), completed_at = NULL
    WHERE job_steps.status <> 'COMPLETED'
    RETURNING job_id, failures
), event AS (
    INSERT INTO job_events (job_id, number, kind, step, attempt, worker) {told}
)
"""
_BEGUN = "SELECT id, current_step, step_names, attempt FROM {source} WHERE status = 'IN_PROGRESS'"
_TOLD_END = """
    SELECT id, event_count,
        CASE status WHEN 'COMPLETED' THEN 'completed' WHEN 'CANCELLED' THEN 'cancelled' ELSE 'step_completed' END,
        ended_step, attempt, worker
    FROM own
"""
_TOLD_CLAIM = "SELECT id, event_count, 'started', current_step, attempt, worker FROM claimed"
_ANSWER = """
SELECT NULL::text AS what, NULL::bigint AS id, NULL::text AS status, NULL::smallint AS current_step,
    NULL::int AS step_failures, NULL::float8 AS step_seconds, NULL::text AS token, NULL::text AS pipeline,
    NULL::jsonb AS params, NULL::int AS attempt, NULL::int AS failures, NULL::int AS max_attempts,
    NULL::text[] AS step_names, NULL::jsonb AS step_keys, NULL::jsonb AS outputs, NULL::text AS task_id,
    NULL::jsonb AS lane, NULL::int AS seen, NULL::text AS request_id, NULL::jsonb AS more WHERE false
"""
_ENDED = """
SELECT 'ended', own.id, status, current_step, step.failures, least(step_timeouts[current_step], :time_limit),
    NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, {more}
FROM own LEFT JOIN step ON job_id = own.id
UNION ALL
SELECT 'ended', jobs.id, jobs.status, jobs.current_step, job_steps.failures,
    least(step_timeouts[current_step], :time_limit),
    NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM ended JOIN jobs ON jobs.id = ended.job_id AND claim_token = holder
    LEFT JOIN job_steps ON job_steps.job_id = jobs.id AND job_steps.step_number = jobs.current_step
WHERE jobs.id <> ALL (ARRAY(SELECT id FROM own))
"""
_CLAIMED = """
SELECT 'claimed', claimed.id, NULL, current_step, step.failures, least(step_timeouts[current_step], :time_limit),
    claim_token::text, pipeline, params, attempt, claimed.failures, max_attempts, step_names, step_keys,
    {outputs}, task_id::text, {lane}, NULL, request_id, {more}
FROM claimed LEFT JOIN step ON job_id = claimed.id
UNION ALL
SELECT 'offered', id, NULL, NULL, NULL, NULL, NULL, pipeline, params, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
    NULL, event_count, NULL, NULL
FROM candidate JOIN jobs USING (id) WHERE here AND NOT trusted AND may_begin
UNION ALL
SELECT 'lacking', id, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
    NULL, NULL, NULL
FROM lacking
"""
_OUTPUTS = """
    (SELECT coalesce(jsonb_object_agg(name, output), '{{}}') FROM job_steps
     WHERE job_steps.job_id = {job_id} AND job_steps.status = 'COMPLETED')
"""
_LANE = f"CASE WHEN {LET_IN} THEN jsonb_build_array(queue, pipeline, limit_key) END"
# The urgent first, then those that have been due for longest; of one priority first those that others have turned away,
# and this release was chosen for. One look for each priority and queue: a single one would read all that is due later
# with a higher one, or waits for other workers. Of one priority each queue has its turn, in the order that is given.
_PICKED = "id, queue, pipeline, step_names, turned_away, admitted_at, claimed_at"
_OLDEST = f"""
    SELECT {_PICKED} FROM (
        SELECT {_PICKED} FROM jobs WHERE priority = level AND {{which}}
        ORDER BY run_at, id LIMIT cardinality(CAST(:tokens AS text[])) FOR UPDATE SKIP LOCKED) AS of_level
"""
SENT = """status = 'PENDING' AND turned_away IS NOT NULL AND sent_to = :release AND run_at <= now()
    AND NOT held AND queue = ANY (CAST(:queues AS text[]))"""
_SENT_AND_OPEN = f"{SENT} AND {IS_OPEN.format(queue='queue')}"
_PICKED_OF_ANY = f"""
    SELECT {_PICKED} FROM generate_series(9, 0, -1) AS level CROSS JOIN LATERAL (
        {_OLDEST.format(which=_SENT_AND_OPEN)} UNION ALL
        SELECT {_PICKED} FROM {OF_QUEUES} CROSS JOIN LATERAL ({_OLDEST.format(which=OF_QUEUE)}) AS of_queue
    ) AS of_any
    LIMIT cardinality(CAST(:tokens AS text[]))
"""
# The one that was seen, unless anything has happened to it, or to its queue, since.
_PICKED_SEEN = f"""
    SELECT {_PICKED} FROM jobs
    WHERE id = :seen AND event_count = :events AND status = 'PENDING' AND run_at <= now()
        AND {IS_OPEN.format(queue="queue")} FOR UPDATE SKIP LOCKED
"""


def _work(name: str, *, ends: bool, picked: str | None = None, trusted: str = "true") -> Prepared:
    """The statement, or that half of it which is asked for: what it has no use for costs as well."""
    claims = picked is not None
    parts = [CONTROLS, *[_ENDS] * ends, *[_CLAIMS] * claims, _WRITES]
    begun = [_BEGUN.format(source="own")] * ends + [_BEGUN.format(source="claimed")] * claims
    answers = [_ANSWER] + [_ENDED] * ends + [_CLAIMED] * claims
    sql = f"WITH {','.join(parts)} {' UNION ALL '.join(answers)}"
    return Prepared(
        name,
        sql.format(
            has_following=HAS_STEP.format(step="following"),
            has_first=HAS_STEP.format(step="first"),
            is_completed=IS_COMPLETED,
            held=HELD,
            first_step=FIRST_STEP,
            picked=picked,
            trusted=trusted,
            let_in=LET_IN,
            running_seconds=RUNNING_SECONDS,
            changed_at=CHANGED_AT,
            may_begin=MAY_BEGIN,
            permit=PERMIT,
            begun=" UNION ALL ".join(begun),
            told=" UNION ALL ".join([_TOLD_END] * ends + [_TOLD_CLAIM] * claims),
            outputs=_OUTPUTS.format(job_id="claimed.id"),
            lane=_LANE,
            more=_MORE.format(picked="SELECT id FROM picked" if claims else "SELECT 0"),
        ),
    )


_TRUSTED = "pipeline = ANY (CAST(:trusted AS text[])) AND turned_away IS NULL"
_END = _work("job_end", ends=True)
_CLAIM = _work("job_claim", ends=False, picked=_PICKED_OF_ANY, trusted=_TRUSTED)
_END_AND_CLAIM = _work("job_end_and_claim", ends=True, picked=_PICKED_OF_ANY, trusted=_TRUSTED)
_CLAIM_SEEN = _work("job_claim_seen", ends=False, picked=_PICKED_SEEN)

_HELD = Prepared(
    "job_held",
    f"""
SELECT jobs.id, claim_token::text AS token, pipeline, params, jobs.attempt, jobs.failures, max_attempts, step_names,
    step_keys, current_step, job_steps.failures AS step_failures,
    least(step_timeouts[current_step], :time_limit) AS step_seconds, {_OUTPUTS.format(job_id="jobs.id")} AS outputs,
    task_id::text, {_LANE} AS lane, request_id, NULL::jsonb AS more
FROM jobs LEFT JOIN job_steps ON job_id = jobs.id AND step_number = current_step AND job_steps.status = 'IN_PROGRESS'
WHERE jobs.status = 'IN_PROGRESS' AND claim_token = ANY (CAST(CAST(:tokens AS text[]) AS uuid[]))
""",
)


@dataclass(frozen=True)
class Worker:
    """Who writes: the name that people see, and a UUID that is new at each start of a worker.

    `abilities` is what it can run (JSON text, see `registry`), `release` the digest of that, `queues` those whose jobs
    it runs, and `limited` the pipelines that declare limits; `lease` and `time_limit` are seconds.
    """

    name: str
    id: str
    release: str
    abilities: str
    lease: float
    time_limit: float
    queues: Sequence[str] = (QUEUE,)
    limited: Sequence[str] = ()


@dataclass(frozen=True)
class End:
    """A step has ended with this output (JSON text); with `yields` another slot runs the next one.

    `token` is that of the claim which holds the job.
    """

    job_id: int
    token: str
    step: int
    output: str
    yields: bool = False


@dataclass(frozen=True)
class Claim:
    """A slot of the worker is free. `token` is new for each claim; `wake_up` is the message that it was woken by.

    With `seen`, an id and a number of events, only that job is claimed, if it has had no more events.
    """

    token: str
    wake_up: str
    seen: tuple[int, int] | None = None


class Ended(NamedTuple):
    """A job whose step has ended, as it stands then.

    `step_failures` and `step_seconds` (how long it may take) are of its `current_step`. `more`, also below: how many
    others wait in each of the worker's queues, `MANY` at most; `None` if nobody asked.
    """

    id: int
    status: str
    current_step: int
    step_failures: int | None
    step_seconds: float
    more: Mapping[str, int] | None


class Claimed(NamedTuple):
    """A job that was claimed with this `token`: what an attempt knows. `step_failures` `None`: see `slots.Slot`.

    `lane` is where others wait for its end, if limits have let it in (see `limits.Lane`).
    """

    id: int
    token: str
    task_id: str
    pipeline: str
    params: dict[str, Any]
    attempt: int
    failures: int
    max_attempts: int
    step_names: list[str]
    step_keys: dict[str, int] | None
    current_step: int
    step_failures: int | None
    step_seconds: float
    outputs: dict[str, Any]
    lane: list[str] | None
    request_id: str | None
    more: Mapping[str, int] | None


class Offered(NamedTuple):
    """A job that is next, to be claimed once it was `seen` with so many events."""

    id: int
    pipeline: str
    params: dict[str, Any]
    seen: int


class Lacking(NamedTuple):
    """A job that this worker has no pipeline or step for, or that may not begin: it waits. Claim again."""

    id: int


Written = Ended | Claimed | Offered | Lacking
_KINDS: dict[str, Callable[..., Written]] = {"ended": Ended, "claimed": Claimed, "offered": Offered, "lacking": Lacking}


def work(
    connection: Connection,
    worker: Worker,
    *,
    ends: Sequence[End] = (),
    claims: Sequence[Claim] = (),
    trusted: Collection[str] = (),
    peek: bool = False,
) -> list[Written]:
    """End these steps and begin the next ones, or end their jobs; claim a due job for each of these claims, if any.

    A claim of a job that was `seen` stands alone; other claims are of jobs of the pipelines that are `trusted`, and
    that nobody has turned away. A job that is no longer held by the claim of an end is not among the answers. With
    `peek` they tell how many `more` jobs wait.
    """
    values = {
        "job_ids": [each.job_id for each in ends],
        "holders": [each.token for each in ends],
        "steps": [each.step for each in ends],
        "outputs": [each.output for each in ends],
        "yields": [each.yields for each in ends],
        "tokens": [each.token for each in claims],
        "wake_ups": [each.wake_up for each in claims],
        "worker": worker.name,
        "worker_id": worker.id,
        "release": worker.release,
        "abilities": worker.abilities,
        "queues": random.sample(worker.queues, len(worker.queues)),
        "limited": list(worker.limited),
        "lease": worker.lease,
        "time_limit": worker.time_limit,
        "trusted": list(trusted),
        "peek": peek,
    }
    if claims and claims[0].seen:
        job_id, events = claims[0].seen
        rows = _CLAIM_SEEN(connection, {**values, "seen": job_id, "events": events})
    elif claims:
        rows = (_END_AND_CLAIM if ends else _CLAIM)(connection, values)
    else:
        rows = _END(connection, values)
    return [typed(_KINDS[row["what"]], row) for row in rows]


def held(connection: Connection, tokens: Sequence[str], *, time_limit: float) -> list[Claimed]:
    """Jobs that were claimed with these tokens, as `work` gives them: the answer may have been lost."""
    return [typed(Claimed, row) for row in _HELD(connection, {"tokens": list(tokens), "time_limit": time_limit})]
