"""All SQL of the event streams.

The rows of a log are ordered by the transaction that wrote them, and only those below the oldest transaction that
still runs are handed out: a row that becomes visible later then always comes later, too (PostgreSQL documentation,
"Transaction ID and Snapshot Information Functions"; a sequence does not have this, since a higher number may be
committed before a lower one).
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, text

CHANNEL = "events"
_HORIZON = "pg_snapshot_xmin(pg_current_snapshot())"
JOBS, RUNS = "job_events", "run_events"
_OWNERS = {JOBS: "job_id", RUNS: "run_id"}


class Position(NamedTuple):
    """A place in a log: just behind one event, or, with owner 0, just before all events of a transaction."""

    xid: int
    owner: int
    number: int


class Event(NamedTuple):
    """One event of a job or run, with its place in the log."""

    position: Position
    kind: str


def horizon(connection: Connection) -> Position:
    """Where a log is read from by one who wants what comes from now on."""
    return Position(int(connection.execute(text(f"SELECT {_HORIZON}::text")).scalar_one()), 0, 0)


def after(connection: Connection, log: str, position: Position, *, limit: int) -> tuple[list[Event], bool]:
    """At most `limit` events behind `position`, and whether there are more, be it such as may not be handed out yet."""
    owner = _OWNERS[log]
    statement = text(f"""
        SELECT xid::text, {owner}, number, kind FROM {log}
        WHERE (xid, {owner}, number) > (CAST(:xid AS xid8), :owner, :number) AND xid < {_HORIZON}
        ORDER BY xid, {owner}, number LIMIT :limit
    """)
    values = {"xid": str(position.xid), "owner": position.owner, "number": position.number, "limit": limit}
    rows = connection.execute(statement, values).all()
    waiting = connection.execute(text(f"SELECT EXISTS (SELECT FROM {log} WHERE xid >= {_HORIZON})")).scalar_one()
    events = [Event(Position(int(xid), owner_id, number), kind) for xid, owner_id, number, kind in rows]
    return events, waiting or len(events) == limit


def numbered(connection: Connection, log: str, seen: Mapping[int, int]) -> dict[int, list[tuple[int, str]]]:
    """What follows the number `seen` of each owner: pairs of number and kind, in order and without a gap.

    Within one owner each event is committed before the next is numbered, so all that is visible may be handed out.
    """
    owner = _OWNERS[log]
    statement = text(f"""
        SELECT {owner}, number, kind FROM {log}
        JOIN unnest(CAST(:owners AS bigint[]), CAST(:numbers AS int[])) AS seen(owner_id, last) ON {owner} = owner_id
        WHERE number > last ORDER BY {owner}, number
    """)
    found: dict[int, list[tuple[int, str]]] = {owner_id: [] for owner_id in seen}
    rows: Sequence[tuple[int, int, str]]
    rows = connection.execute(statement, {"owners": list(seen), "numbers": list(seen.values())}).tuples().all()
    for owner_id, number, kind in rows:
        found[owner_id].append((number, kind))
    return found
