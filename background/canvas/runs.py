"""The use-cases that only read recorded runs."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Connection

from background.base.errors import NotFound
from background.canvas.schemas import Run, RunEvent
from background.canvas.sql import reads
from background.canvas.states import RunStatus, RunType
from background.settings import get_settings
from background.storage import database
from background.workers import sql as workers
from background.workers.identity import Snapshot

MOST_EVENTS = 10_000
"""So many of its newest events a run's history has: a canvas of 1,000 tasks, run five times."""


def run_of(task_id: UUID) -> Run:
    """The run to which this id leads. Raises `NotFound`."""
    with database.transaction() as connection:
        return run_in(connection, task_id)


def run_in(connection: Connection, task_id: UUID) -> Run:
    """`run_of`, in a transaction of the caller's."""
    row, seen = read_run(connection, str(task_id))
    if row is None:
        raise unknown(task_id)
    return Run.from_row(row, seen)


def number_of(connection: Connection, task_id: UUID) -> int:
    """The number of the run to which this id leads. Raises `NotFound`."""
    number = reads.number_of(connection, str(task_id))
    if number is None:
        raise unknown(task_id)
    return number


def history(task_id: UUID) -> Sequence[RunEvent]:
    """What happened in the run to which this id leads, oldest first. Raises `NotFound`."""
    with database.transaction() as connection:
        events = reads.history(connection, number_of(connection, task_id), most=MOST_EVENTS)
    return [RunEvent.model_validate(event._asdict()) for event in events]


def unknown(task_id: UUID) -> NotFound:
    """The error for an id that leads nowhere."""
    return NotFound(f"No task, run or job {task_id} was ever submitted here.", what="run", id=str(task_id))


def read_run(connection: Connection, task_id: str) -> tuple[reads.StoredRun | None, Snapshot]:
    """What `Run.from_row` makes a run of: the one to which this id leads, if any, and what the workers report."""
    patience = get_settings().lease_seconds
    row = reads.get(connection, task_id, patience=patience) if database.has_canvas(connection) else None
    return row, workers.snapshot(connection, patience=patience)


def find_runs(
    *,
    run_type: RunType | None,
    statuses: Sequence[RunStatus],
    task: str | None,
    before: UUID | None,
    limit: int,
    graphs: bool,
) -> Sequence[Run]:
    """At most `limit` runs, newest first, older than the run `before`. Raises `NotFound` for that.

    Without their `graphs` they are small: results are cut, and what was posted is left out.
    """
    with database.transaction() as connection:
        number = None if before is None else number_of(connection, before)
        patience = get_settings().lease_seconds
        rows = reads.find(
            connection,
            run_type=run_type,
            statuses=statuses,
            task=task,
            before=number,
            limit=limit,
            patience=patience,
            graphs=graphs,
        )
        seen = workers.snapshot(connection, patience=patience)
    return [Run.from_row(row, seen, graph=graphs) for row in rows]
