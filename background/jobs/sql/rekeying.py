"""SQL that brings jobs into the lanes of this release, whose limits may have other keys than another one's."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection

from background.storage.prepared import Prepared
from background.storage.rows import typed

KEYED_AT_ONCE = 500
"""At so many jobs one looks at a time for keys of another release."""

# By `ix_jobs_pending_of`, and those that run are few.
_KEYED = Prepared(
    "limits_keyed",
    f"""
SELECT id, limit_key, (
        SELECT jsonb_agg(params -> name ORDER BY place)
        FROM unnest(CAST(:names AS text[])) WITH ORDINALITY AS key(name, place)
    ) AS key_values, CASE WHEN NOT params ?& CAST(:names AS text[]) THEN params END AS params
FROM (
    (SELECT id, limit_key, params FROM jobs
     WHERE status = 'PENDING' AND pipeline || '' = CAST(:pipeline AS text) AND priority >= 0 AND id > :after
     ORDER BY id LIMIT {KEYED_AT_ONCE})
    UNION ALL
    SELECT id, limit_key, params FROM jobs
    WHERE status = 'IN_PROGRESS' AND pipeline = CAST(:pipeline AS text) AND id > :after
) AS unended
ORDER BY id LIMIT {KEYED_AT_ONCE}
""",
)
_REKEY = Prepared(
    "limits_rekey",
    """
WITH own AS MATERIALIZED (
    SELECT id AS picked, key FROM unnest(CAST(:ids AS bigint[]), CAST(:before AS text[]), CAST(:keys AS text[]))
        AS wanted(job_id, before, key) JOIN jobs ON id = job_id AND limit_key = before
    WHERE status IN ('PENDING', 'IN_PROGRESS') FOR UPDATE OF jobs SKIP LOCKED
)
UPDATE jobs SET limit_key = key FROM own WHERE id = picked RETURNING id
""",
)


class Keyed(NamedTuple):
    """A job that has not ended: the key of its lane, and the values of the params that are keys now.

    It has its `params` where these are not all among them.
    """

    id: int
    limit_key: str
    key_values: list[Any]
    params: dict[str, Any] | None


def keyed(connection: Connection, pipeline: str, names: Sequence[str], *, after: int) -> list[Keyed]:
    """The next jobs of a pipeline with ids behind `after` that have not ended, with their values of these params."""
    values = {"pipeline": pipeline, "names": list(names), "after": after}
    return [typed(Keyed, row) for row in _KEYED(connection, values)]


def rekey(connection: Connection, keys: Mapping[int, tuple[str, str]]) -> int:
    """Bring these jobs into other lanes, each from the first key to the second; gives how many were free to go."""
    before, now = zip(*keys.values(), strict=True)
    return len(_REKEY(connection, {"ids": list(keys), "before": list(before), "keys": list(now)}))
