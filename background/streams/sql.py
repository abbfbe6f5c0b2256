"""All SQL of the event streams.

Of one job or run, each event is committed before the next is numbered: what is visible has no gap, and may be handed
out. Among jobs there is no such order, and a sequence has none either: a higher number may be committed before a lower
one. So the rows of the log of all jobs are ordered by the transaction that wrote them, and only those below the oldest
transaction that still runs are handed out: a row that becomes visible later then always comes later, too (PostgreSQL
documentation, "Transaction ID and Snapshot Information Functions").
"""

from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import Connection, text

CHANNEL = "events"
JOBS, RUNS = "job_events", "run_events"
_OWNERS = {JOBS: ("jobs", "job_id"), RUNS: ("runs", "run_id")}
_HORIZON = "pg_snapshot_xmin(pg_current_snapshot())"

# In an ORDER BY a bare name is that of an output column first: `xid` would be the text, which puts 10000 before 9999,
# and every page would sort all that is behind it (PostgreSQL documentation, "SELECT", ORDER BY clause).
_AFTER = text(f"""
SELECT xid::text, job_id, number, kind FROM job_events
WHERE (xid, job_id, number) > (CAST(:xid AS xid8), :owner, :number) AND xid < {_HORIZON}
ORDER BY job_events.xid, job_id, number LIMIT :limit
""")

_SIGN_IN = text("""
WITH gone AS (
    DELETE FROM event_listeners WHERE until < now() AND id <> CAST(:id AS uuid)
)
INSERT INTO event_listeners (id, until) VALUES (:id, now() + :seconds * interval '1 second')
ON CONFLICT (id) DO UPDATE SET until = excluded.until
""")


class Position(NamedTuple):
    """A place in the log of all jobs: just behind one event, or, with owner 0, just before all of a transaction."""

    xid: int
    owner: int
    number: int

    def __str__(self) -> str:
        """The cursor that a client sees."""
        return "-".join(map(str, self))


class LogEntry(NamedTuple):
    """One event of a job, with its place in the log."""

    position: Position
    kind: str


def sign_in(connection: Connection, listener: str, *, seconds: float) -> None:
    """Let writers notify for so long; who did not sign in again is forgotten."""
    connection.execute(_SIGN_IN, {"id": listener, "seconds": seconds})


def horizon(connection: Connection) -> tuple[Position, int]:
    """The place from which one reads who wants what comes from now on, and the number of the next transaction."""
    statement = text(f"SELECT {_HORIZON}::text, pg_snapshot_xmax(pg_current_snapshot())::text")
    oldest, following = connection.execute(statement).one()
    return Position(int(oldest), 0, 0), int(following)


def after(connection: Connection, position: Position, *, limit: int) -> tuple[list[LogEntry], bool]:
    """At most `limit` events of all jobs behind `position`, and whether there are such as may not be handed out yet."""
    values = {"xid": str(position.xid), "owner": position.owner, "number": position.number, "limit": limit}
    rows = connection.execute(_AFTER, values).all()
    waiting = connection.execute(text(f"SELECT EXISTS (SELECT FROM job_events WHERE xid >= {_HORIZON})")).scalar_one()
    return [LogEntry(Position(int(xid), job_id, number), kind) for xid, job_id, number, kind in rows], waiting


def numbered(connection: Connection, log: str, seen: Mapping[int, int]) -> dict[int, list[tuple[int, str]] | None]:
    """What follows the number `seen` of each owner: pairs of number and kind, in order and without a gap.

    An owner without such events is left out, and one that does not exist (any more) has `None`.
    """
    table, owner = _OWNERS[log]
    values = {"owners": list(seen), "numbers": list(seen.values())}
    asked = "unnest(CAST(:owners AS bigint[]), CAST(:numbers AS int[])) AS seen(owner_id, last)"
    changed = text(f"""
        SELECT owner_id, {table}.id FROM {asked} LEFT JOIN {table} ON {table}.id = owner_id
        WHERE {table}.id IS NULL OR event_count > last
    """)
    found: dict[int, list[tuple[int, str]] | None] = {
        owner_id: None if known is None else [] for owner_id, known in connection.execute(changed, values).all()
    }
    last = {owner_id: seen[owner_id] for owner_id, events in found.items() if events is not None}
    if last:
        statement = text(f"""
            SELECT {owner}, number, kind FROM {asked} JOIN {log} ON {owner} = owner_id AND number > last
            ORDER BY {owner}, number
        """)
        rows = connection.execute(statement, {"owners": list(last), "numbers": list(last.values())}).all()
        for owner_id, number, kind in rows:
            if (events := found[owner_id]) is not None:
                events.append((number, kind))
    return found
