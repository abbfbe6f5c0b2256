"""SQL of jobs that a worker cannot run: it turns them away, and they are sent on to a release that can.

Such a job costs no failure, and one claim at most. Workers are woken for it in the queue that only those of that
release serve, so that no message goes to and fro; they claim it among the others (`work`). Without a fitting
worker it waits, and nobody is woken.
"""

from collections.abc import Collection

from sqlalchemy import Connection, text

from background.jobs.sql.parts import FIRST_STEP, HAS_STEP, LET_IN, TURNED_AWAY

# Only the live crews that have refused are remembered. What limits have let in gives its place back.
_TURN_AWAY = text(f"""
UPDATE jobs SET sent_to = NULL, turned_away = {TURNED_AWAY}, held = held OR {LET_IN}
WHERE id = :job_id AND status = 'PENDING'
""")

# Of jobs that were turned away: those sent to a release without a worker are free again, and each is sent to the
# newest release that can run it.
_RECALL = text(f"""
UPDATE jobs SET sent_to = NULL, held = held OR {LET_IN}
FROM (SELECT id, sent_to AS release FROM jobs
      WHERE turned_away IS NOT NULL AND status = 'PENDING' AND sent_to <> ALL (:releases) FOR UPDATE) AS stale
WHERE jobs.id = stale.id RETURNING release
""")
_SEND_TO = text(f"""
UPDATE jobs SET sent_to = :release
WHERE turned_away IS NOT NULL AND status = 'PENDING' AND sent_to IS NULL AND queue = ANY (:queues)
  AND {HAS_STEP.format(step=FIRST_STEP)}
  AND NOT (turned_away -> 'refused_by') @> to_jsonb(CAST(:crew AS text))
""")


def turn_away(connection: Connection, *, job_id: int, error: str, crews: Collection[str], refusing: str | None) -> None:
    """Let a PENDING job wait for a worker that takes its parameters; this one does not, and `error` says why.

    Which of the live `crews` (see `workers.identity.Crew`) have refused it, that which is `refusing` included, is
    remembered.
    """
    values = {"job_id": job_id, "error": error, "crews": list(crews), "refusing": refusing}
    connection.execute(_TURN_AWAY, values)


def recall(connection: Connection, releases: Collection[str]) -> set[str]:
    """Take back jobs that were turned away and sent to a release that is none of these; gives those releases."""
    return set(connection.execute(_RECALL, {"releases": list(releases)}).scalars())


def send_to(connection: Connection, *, release: str, abilities: str, crew: str, queues: Collection[str]) -> None:
    """Mark those jobs that were turned away for this release that it can run, with these `abilities` (JSON text).

    Not those whose parameters its present `crew` has refused, nor those of other queues than its workers serve.
    """
    values = {"release": release, "abilities": abilities, "crew": crew, "queues": list(queues)}
    connection.execute(_SEND_TO, values)
