"""SQL of jobs that a worker cannot run: it turns them away, and they are sent on to a release that can.

Such a job costs no failure and no claim. It is sent to the queue that only the workers of that release serve, so that
its message does not go to and fro between workers; without a fitting worker it waits and has none.
"""

from collections.abc import Collection, Sequence

from sqlalchemy import Connection, RowMapping, text

from background.jobs.queries import FIRST_STEP, HAS_STEP

_LOOK = text(f"""
SELECT pipeline, params, step_names[{FIRST_STEP}] AS step, event_count AS seen FROM jobs
WHERE id = :job_id AND status = 'PENDING' AND NOT cancel_requested AND run_at <= now()
""")
# Only the live crews that have refused are remembered.
_TURN_AWAY = text("""
UPDATE jobs
SET published_at = NULL, sent_to = NULL,
    turned_away = jsonb_build_object('error', coalesce(:error, turned_away ->> 'error'), 'refused_by', to_jsonb(ARRAY(
        SELECT crew FROM unnest(CAST(:crews AS text[])) AS crew
        WHERE crew = :refusing OR turned_away -> 'refused_by' ? crew)))
WHERE id = :job_id AND status = 'PENDING'
""")

# Of jobs that were turned away: those sent to a release without a worker are free again, and each is sent to the
# newest release that can run it.
_RECALL = text("""
UPDATE jobs SET sent_to = NULL, published_at = NULL
FROM (SELECT id, sent_to AS release FROM jobs
      WHERE turned_away IS NOT NULL AND status = 'PENDING' AND sent_to <> ALL (:releases) FOR UPDATE) AS stale
WHERE jobs.id = stale.id RETURNING release
""")
_SEND_TO = text(f"""
UPDATE jobs SET sent_to = :release, published_at = NULL
WHERE turned_away IS NOT NULL AND status = 'PENDING' AND sent_to IS NULL
  AND {HAS_STEP.format(step=FIRST_STEP)}
  AND NOT (turned_away -> 'refused_by') @> to_jsonb(CAST(:crew AS text))
""")
_SENT_TO = text("""
SELECT DISTINCT sent_to FROM jobs WHERE turned_away IS NOT NULL AND status = 'PENDING' AND sent_to IS NOT NULL
""")


def look(connection: Connection, job_id: int) -> RowMapping | None:
    """What a worker must have to run a due PENDING job: its `pipeline`, its next `step` and its `params`.

    And how many events it had when it was `seen` (see `queries.claim`).
    """
    return connection.execute(_LOOK, {"job_id": job_id}).mappings().one_or_none()


def turn_away(
    connection: Connection, *, job_id: int, error: str | None, crews: Collection[str], refusing: str | None
) -> None:
    """Let a PENDING job wait for a worker that can run it; this one cannot.

    `error` says why its parameters are refused, by the crew that is `refusing`. Which of the live `crews` (see
    `workers.queries.Crew`) have refused it is remembered.
    """
    values = {"job_id": job_id, "error": error, "crews": list(crews), "refusing": refusing}
    connection.execute(_TURN_AWAY, values)


def recall(connection: Connection, releases: Collection[str]) -> set[str]:
    """Take back jobs that were turned away and sent to a release that is none of these; gives those releases."""
    return set(connection.execute(_RECALL, {"releases": list(releases)}).scalars())


def send_to(connection: Connection, *, release: str, abilities: str, crew: str) -> None:
    """Mark those jobs that were turned away for this release that it can run, with these `abilities` (JSON text).

    Not those whose parameters its present `crew` has refused.
    """
    connection.execute(_SEND_TO, {"release": release, "abilities": abilities, "crew": crew})


def sent_to(connection: Connection) -> Sequence[str]:
    """The releases whose queues jobs wait in."""
    return connection.execute(_SENT_TO).scalars().all()
