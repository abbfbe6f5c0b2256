"""What became of an id, whatever it is: a run, a task of a run, or a job. For Celery's clients, in Celery's words."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

from background.base import jsontext
from background.base.errors import Conflict, NotFound
from background.canvas import runs
from background.canvas.reasons import Error
from background.canvas.schemas import Member, Progress, Run, TaskResult
from background.canvas.states import FINAL, LOST, RunStatus, TaskState
from background.jobs.causes import CauseCode
from background.jobs.sql import reads as jobs
from background.jobs.states import ENDED, JobStatus
from background.storage import database

CELERY_STATUS = {
    JobStatus.PENDING: RunStatus.PENDING,
    JobStatus.IN_PROGRESS: RunStatus.STARTED,
    JobStatus.COMPLETED: RunStatus.SUCCESS,
    JobStatus.FAILED: RunStatus.FAILURE,
    JobStatus.CANCELLED: RunStatus.REVOKED,
}


class JobOutcome(TaskResult):
    """A job, asked for by its `task_id`, in Celery's words."""

    job_id: int
    progress: Progress


@dataclass(frozen=True)
class Followed:
    """What became of an id, the number of the run or job it belongs to, and the number of the newest event there.

    `ended`: nothing of that run or job changes any more, unless it is retried.
    """

    outcome: TaskResult
    is_job: bool
    owner: int
    number: int
    ended: bool


def follow(task_id: UUID) -> Followed:
    """What became of this id: a run, a member of a run, or a job. Raises `NotFound` for one never submitted."""
    with database.transaction() as connection:
        row, seen = runs.read_run(connection, str(task_id))
        job = None if row else jobs.get_by_task_id(connection, str(task_id))
    if row is not None:
        run = Run.from_row(row, seen)
        asked = row.asked or run.task_id
        # Several calls of a task may share the run's own id, too.
        outcome = run if run.task_id in (asked, task_id) else _member(run, asked)
        return Followed(outcome, is_job=False, owner=row.id, number=row.event_count, ended=run.ready)
    if job is not None:
        told = _job(job)
        return Followed(told, is_job=True, owner=job.id, number=job.event_count, ended=told.ready)
    raise runs.unknown(task_id)


def get_outcome(task_id: UUID) -> TaskResult:
    """What became of this id, as `follow` finds it, without where it belongs."""
    return follow(task_id).outcome


@contextmanager
def of_a_run(task_id: UUID | None) -> Iterator[None]:
    """A block for what is asked of a run: where the id is that of a job, `NotFound` becomes a `Conflict`."""
    try:
        yield
    except NotFound:
        with database.transaction() as connection:
            job = None if task_id is None else jobs.get_by_task_id(connection, str(task_id))
        if job is None:
            raise
        path = f"/jobs/{job.id}"
        do = f"see POST {path}/cancel, POST {path}/retry, DELETE {path}."
        message = f"This is the id of job {job.id}, not of a run: {do}"
        raise Conflict(message, code="not_a_run", id=job.id) from None


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


def _job(job: jobs.Stand) -> JobOutcome:
    status = JobStatus(job.status)
    return JobOutcome(
        task_id=job.task_id,
        type="job",
        status=RunStatus.RETRY if status is JobStatus.PENDING and job.attempt else CELERY_STATUS[status],
        ready=status in ENDED,
        successful=status is JobStatus.COMPLETED,
        failed=status is JobStatus.FAILED,
        result=None if jsontext.deeper_than(jsontext.SHOWN_DEPTH, job.result) else job.result,
        error=_error(job) if status is JobStatus.FAILED else None,
        verdict=f"Job {job.id} is {status}; {job.steps_done} of {job.steps_total} steps are done.",
        job_id=job.id,
        progress=Progress(completed=job.steps_done, total=job.steps_total),
    )


def _error(job: jobs.Stand) -> Error | None:
    """What it failed with: an exception, as `settling` words it, or that nobody was left to raise one."""
    if job.error is None:
        return None
    if job.cause is not None and job.cause["code"] == CauseCode.LOST:
        return Error(type=LOST, message=job.error)
    name, _, text = job.error.partition(": ")
    return Error(type=name, message=text)
