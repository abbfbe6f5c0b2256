"""The pages of the log of all jobs, across the places where transactions get one digit more."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, text

from background.streams import sql
from background.streams.sql import Position
from tests.acceptance.event_streams import make_job
from tests.support import transaction

pytestmark = pytest.mark.usefixtures("postgres")

# Numbers that no transaction of this server has, since those that made it had them: no other test's events lie there.
TRANSACTIONS = range(8, 121)
BEFORE, BEHIND = Position(TRANSACTIONS[0], 0, 0), Position(TRANSACTIONS[-1] + 1, 0, 0)
PAGE = 200


@pytest.fixture
def connection() -> Iterator[Connection]:
    """A transaction that is taken back."""
    with transaction() as opened:
        yield opened
        opened.get_transaction().rollback()  # type: ignore[union-attr]


@pytest.fixture
def written(connection: Connection) -> list[Position]:
    """Events of one job, ten of each transaction, as they have to come."""
    job_id = make_job(connection)
    found = [
        Position(xid, job_id, 10 * place + each) for place, xid in enumerate(TRANSACTIONS) for each in range(1, 11)
    ]
    statement = text("""
        INSERT INTO job_events (job_id, number, kind, attempt, xid)
        VALUES (:owner, :number, 'progress', 0, CAST(CAST(:xid AS text) AS xid8))
    """)
    connection.execute(statement, [each._asdict() for each in found])
    return found


def test_pages_lose_and_double_nothing_where_numbers_get_longer(
    connection: Connection, written: list[Position]
) -> None:
    found: list[Position] = []
    position = BEFORE
    while position < BEHIND:
        events, _ = sql.after(connection, position, limit=PAGE)
        if not events:
            break
        found += [event.position for event in events]
        position = found[-1]
    assert [each for each in found if each < BEHIND] == written


def test_a_page_is_read_from_the_index_in_order(connection: Connection, written: list[Position]) -> None:
    # With so few rows sorting all would be as cheap: what matters is that only those of one transaction are sorted.
    for way in ("seqscan", "bitmapscan", "sort"):
        connection.execute(text(f"SET LOCAL enable_{way} = off"))
    values = {"xid": str(BEFORE.xid), "owner": 0, "number": 0, "limit": PAGE}
    statement = text(f"EXPLAIN (COSTS OFF) {sql._AFTER.text}")
    plan = "\n".join(connection.execute(statement, values).scalars())
    assert "ix_job_events_written" in plan
    assert "Incremental Sort" in plan
    assert "Presorted Key: job_events.xid" in plan or "Presorted Key: xid" in plan
    assert len(written) > PAGE
