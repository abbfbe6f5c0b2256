"""The use-cases that only read: what became of a run, a task or a job."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection, RowMapping

from background import database
from background.canvas import reads
from background.canvas.facts import Error
from background.canvas.schemas import (
    JobOutcome,
    Member,
    Outcome,
    Progress,
    Run,
)
from background.canvas.states import FINAL, RunStatus, RunType, TaskState
from background.errors import Conflict, NotFound
from background.jobs import reads as job_reads
from background.jobs.states import ENDED, JobStatus
from background.settings import get_settings
from background.workers import queries as workers

CELERY_STATUS = {
    JobStatus.PENDING: RunStatus.PENDING,
    JobStatus.IN_PROGRESS: RunStatus.STARTED,
    JobStatus.COMPLETED: RunStatus.SUCCESS,
    JobStatus.FAILED: RunStatus.FAILURE,
    JobStatus.CANCELLED: RunStatus.REVOKED,
}


def run_of(task_id: UUID) -> Run:
    """The run to which this id leads. Raises `NotFound`, or `Conflict` for a job."""
    with database.transaction() as connection:
        return run_in(connection, task_id)


def run_in(connection: Connection, task_id: UUID) -> Run:
    """The same, in a transaction of the caller's."""
    run = get_run(connection, str(task_id))
    if run is None:
        raise _no_run(connection, task_id)
    return run


def number_of(connection: Connection, task_id: UUID) -> int:
    """The number of the run to which this id leads. Raises as `run_of`."""
    row = reads.number_of(connection, str(task_id))
    if row is None:
        raise _no_run(connection, task_id)
    return int(row["id"])


def _no_run(connection: Connection, task_id: UUID) -> NotFound | Conflict:
    """The error for an id that leads to no run."""
    job = job_reads.get_by_task_id(connection, str(task_id))
    if job is None:
        return _unknown(task_id)
    path = f"/jobs/{job['id']}"
    message = (
        f"This is the id of job {job['id']}, not of a run: see POST {path}/cancel, POST {path}/retry, DELETE {path}."
    )
    return Conflict(message, code="not_a_run", id=job["id"])


def _unknown(task_id: UUID) -> NotFound:
    return NotFound(f"No task, run or job {task_id} was ever submitted here.", what="run", id=str(task_id))


def get_run(connection: Connection, task_id: str) -> Run | None:
    """The run to which this id leads, if any."""
    row, seen = read_run(connection, task_id)
    return None if row is None else Run.from_row(row, seen)


def read_run(connection: Connection, task_id: str) -> tuple[RowMapping | None, workers.Snapshot]:
    """What `Run.from_row` makes a run of: the one to which this id leads, if any, and what the workers report."""
    patience = get_settings().lease_seconds
    return reads.get(connection, task_id, patience=patience), workers.snapshot(connection, patience=patience)


@dataclass(frozen=True)
class Followed:
    """What became of an id, the number of the run or job it belongs to, and the number of the newest event there.

    `ended`: nothing of that run or job changes any more, unless it is retried.
    """

    outcome: Outcome
    is_job: bool
    owner: int
    number: int
    ended: bool


def follow(task_id: UUID) -> Followed:
    """What became of this id: a run, a member of a run, or a job. Raises `NotFound` for one never submitted."""
    patience = get_settings().lease_seconds
    with database.transaction() as connection:
        row = reads.get(connection, str(task_id), patience=patience)
        job = None if row else job_reads.get_by_task_id(connection, str(task_id))
        seen = workers.snapshot(connection, patience=patience)
    if row is not None:
        run = Run.from_row(row, seen)
        outcome = run if run.task_id == row["asked"] else _member(run, row["asked"])
        return Followed(outcome, is_job=False, owner=row["id"], number=row["event_count"], ended=run.ready)
    if job is not None:
        told = _job(job)
        return Followed(told, is_job=True, owner=job["id"], number=job["event_count"], ended=told.ready)
    raise _unknown(task_id)


def get_outcome(task_id: UUID) -> Outcome:
    """The same, without where it belongs."""
    return follow(task_id).outcome


def find_runs(
    *,
    run_type: RunType | None,
    statuses: Sequence[RunStatus],
    task: str | None,
    before: UUID | None,
    limit: int,
    graphs: bool,
) -> Sequence[Run]:
    """At most `limit` runs, newest first, older than the run `before`. Raises as `run_of` for that.

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


def _member(run: Run, task_id: UUID) -> Member:
    node = next(node for node in run.nodes if node.id == task_id)
    return Member(
        task_id=task_id,
        type="task",
        status=node.state,
        ready=node.state in FINAL,
        successful=node.state is TaskState.SUCCESS,
        failed=node.state is TaskState.FAILURE,
        result=node.result,
        error=node.error,
        verdict=run.verdict,
        reason=run.reason,
        run_id=run.task_id,
        graph=run.graph,
    )


def _job(row: RowMapping) -> JobOutcome:
    status = JobStatus(row["status"])
    celery_status = CELERY_STATUS[status]
    message = row["error"] if status is JobStatus.FAILED else None
    name, _, text = (message or "").partition(": ")
    return JobOutcome(
        task_id=row["task_id"],
        type="job",
        status=RunStatus.RETRY if status is JobStatus.PENDING and row["attempt"] else celery_status,
        ready=status in ENDED,
        successful=status is JobStatus.COMPLETED,
        failed=status is JobStatus.FAILED,
        result=row["result"],
        error=Error(type=name, message=text) if message else None,
        verdict=f"Job {row['id']} is {status}; {row['steps_done']} of {row['steps_total']} steps are done.",
        job_id=row["id"],
        progress=Progress(completed=row["steps_done"], total=row["steps_total"]),
    )
