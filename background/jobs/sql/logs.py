"""SQL of what steps have logged, in chunks: a row for each line would cost as much as a step."""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection, text

from background.storage.prepared import Prepared

NUMBERS = 2**32
"""A line's id is its attempt times this, and its number there: it grows within a job."""

# Ages, not times: a worker's clock may be wrong. What is repeated after a lost answer is there already.
_ADD = Prepared(
    "job_logs_add",
    """
WITH given AS (
    SELECT * FROM unnest(CAST(:job_ids AS bigint[]), CAST(:attempts AS int[]), CAST(:steps AS smallint[]),
                         CAST(:lasts AS int[]), CAST(:lengths AS int[]), CAST(:firsts AS int[]), CAST(:lines AS text[]))
        AS given(job_id, attempt, step, last, length, first, lines)
), gone AS (
    DELETE FROM job_logs USING (SELECT DISTINCT job_id, attempt, first FROM given) AS kept
    WHERE job_logs.job_id = kept.job_id AND job_logs.attempt = kept.attempt AND last < kept.first
)
INSERT INTO job_logs (job_id, attempt, step, last, length, lines)
SELECT job_id, attempt, step, last, length, lines FROM given
WHERE EXISTS (SELECT FROM jobs WHERE id = given.job_id)
ON CONFLICT DO NOTHING
""",
)

_EXISTS = text("SELECT EXISTS (SELECT FROM jobs WHERE id = :job_id)")
_FIND = text("""
SELECT attempt, step, last, length, oldest, at, lines FROM (
    SELECT *, sum(length) OVER (ORDER BY attempt, last) - length AS before FROM (
        SELECT *, min(last - length + 1) OVER (PARTITION BY attempt) AS oldest FROM job_logs WHERE job_id = :job_id
    ) AS whole
    WHERE (attempt, last) > (:after_attempt, :after_number)
        AND step = coalesce(:step, step) AND attempt = coalesce(:attempt, attempt)
) AS wanted
WHERE before < :limit ORDER BY attempt, last
""")


class Chunk(NamedTuple):
    """Lines of one step up to number `last`, `length` of them, as JSON text: `[[age in seconds, level, message], …]`.

    Of the attempt's, those below `first` need not be kept any more.
    """

    job_id: int
    attempt: int
    step: int
    last: int
    length: int
    first: int
    lines: str


class Kept(NamedTuple):
    """A chunk as it is kept, written `at`; `oldest` is the first number that its attempt still has."""

    attempt: int
    step: int
    last: int
    length: int
    oldest: int
    at: datetime
    lines: str

    def told(self) -> Iterator[tuple[datetime, str, str]]:
        """The time, level and message of each line."""
        for age, level, message in json.loads(self.lines):
            yield self.at - timedelta(seconds=age), level, message


class Line(NamedTuple):
    """One line that a step has logged."""

    attempt: int
    number: int
    at: datetime
    level: str
    message: str
    step: int

    @property
    def id(self) -> int:
        """It grows within a job."""
        return line_id(self.attempt, self.number)


def line_id(attempt: int, number: int) -> int:
    """The id of a line."""
    return attempt * NUMBERS + number


def add(connection: Connection, chunks: Sequence[Chunk]) -> None:
    """Keep these, but those of jobs that are gone; what is not to be kept any more of their attempts goes."""
    columns = list(zip(*chunks, strict=True))
    names = ("job_ids", "attempts", "steps", "lasts", "lengths", "firsts", "lines")
    _ADD(connection, {name: list(values) for name, values in zip(names, columns, strict=True)})


def exists(connection: Connection, job_id: int) -> bool:
    """Whether there is such a job."""
    return bool(connection.execute(_EXISTS, {"job_id": job_id}).scalar_one())


def find(
    connection: Connection, job_id: int, *, step: int | None, attempt: int | None, after: int, limit: int
) -> list[Kept]:
    """Chunks that hold the first `limit` lines behind the one of that id, in order."""
    after_attempt, after_number = divmod(after, NUMBERS)
    values = {"job_id": job_id, "step": step, "attempt": attempt, "limit": limit}
    values |= {"after_attempt": after_attempt, "after_number": after_number}
    return [Kept(**row) for row in connection.execute(_FIND, values).mappings()]
