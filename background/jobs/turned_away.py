"""SQL of jobs that a worker cannot run: it turns them away, and they are sent on to a release that can.

Such a job costs no failure, and one claim at most. Workers are woken for it in the queue that only those of that
release serve, so that no message goes to and fro; they claim it among the others (`transitions`). Without a fitting
worker it waits, and nobody is woken.
"""

from collections.abc import Collection

from sqlalchemy import Connection, text

from background.jobs.queries import FIRST_STEP, HAS_STEP

# Only the live crews that have refused are remembered.
_TURN_AWAY = text("""
UPDATE jobs
SET sent_to = NULL,
    turned_away = jsonb_build_object('error', CAST(:error AS text), 'refused_by', to_jsonb(ARRAY(
        SELECT crew FROM unnest(CAST(:crews AS text[])) AS crew
        WHERE crew = :refusing OR turned_away -> 'refused_by' ? crew)))
WHERE id = :job_id AND status = 'PENDING'
""")

# Of jobs that were turned away: those sent to a release without a worker are free again, and each is sent to the
# newest release that can run it.
_RECALL = text("""
UPDATE jobs SET sent_to = NULL
FROM (SELECT id, sent_to AS release FROM jobs
      WHERE turned_away IS NOT NULL AND status = 'PENDING' AND sent_to <> ALL (:releases) FOR UPDATE) AS stale
WHERE jobs.id = stale.id RETURNING release
""")
_SEND_TO = text(f"""
UPDATE jobs SET sent_to = :release
WHERE turned_away IS NOT NULL AND status = 'PENDING' AND sent_to IS NULL
  AND {HAS_STEP.format(step=FIRST_STEP)}
  AND NOT (turned_away -> 'refused_by') @> to_jsonb(CAST(:crew AS text))
""")


def turn_away(connection: Connection, *, job_id: int, error: str, crews: Collection[str], refusing: str | None) -> None:
    """Let a PENDING job wait for a worker that takes its parameters; this one does not, and `error` says why.

    Which of the live `crews` (see `workers.queries.Crew`) have refused it, that which is `refusing` included, is
    remembered.
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
