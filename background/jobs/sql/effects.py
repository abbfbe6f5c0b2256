"""SQL of the outside effects that steps have had once: see `effects`."""

from typing import Any, NamedTuple

from sqlalchemy import Connection

from background.jobs.sql.transitions import OURS
from background.storage.prepared import Prepared
from background.storage.rows import typed

# The job's row is held, so that the fence is judged by its newest version; and nothing is written after a job's end.
_RECORD = Prepared(
    "job_effect_record",
    f"""
WITH own AS (
    SELECT id FROM jobs WHERE id = :job_id AND {OURS} FOR NO KEY UPDATE
), effect AS (
    INSERT INTO job_effects (job_id, step, name, result)
    SELECT id, CAST(:step AS text), CAST(:name AS text), CAST(:result AS jsonb) FROM own
    ON CONFLICT DO NOTHING
)
SELECT id FROM own
""",
)

_FIND = Prepared(
    "job_effect",
    "SELECT result FROM job_effects WHERE job_id = :job_id AND step = CAST(:step AS text) AND name = :name",
)


class Effect(NamedTuple):
    """What an effect has given."""

    result: Any


def record(connection: Connection, *, job_id: int, token: str, step: str, name: str, result: str) -> bool:
    """Record that an effect was had, which gave this (JSON text); gives whether the claim still holds the job.

    Recorded again after a lost answer, it stays as it is.
    """
    values = {"job_id": job_id, "token": token, "step": step, "name": name, "result": result}
    return bool(_RECORD(connection, values))


def find(connection: Connection, *, job_id: int, step: str, name: str) -> Effect | None:
    """The effect of this name that a step has had, in whichever attempt."""
    rows = _FIND(connection, {"job_id": job_id, "step": step, "name": name})
    return typed(Effect, rows[0]) if rows else None
