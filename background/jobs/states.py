"""What may become of a job: decided here, without SQL, Celery or HTTP. `queries` writes it down.

PENDING -> IN_PROGRESS -> COMPLETED | FAILED | CANCELLED
   ^____________|                (another attempt is due at `run_at`)
"""

from enum import StrEnum


class JobStatus(StrEnum):
    """The status of a job."""

    PENDING = "PENDING"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


class StepStatus(StrEnum):
    """The status of a step; a step has a row only once it has begun."""

    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"


class EventKind(StrEnum):
    """One kind for each transition of a job, and `progress` within a step."""

    CREATED = "created"
    STARTED = "started"
    PROGRESS = "progress"
    STEP_COMPLETED = "step_completed"
    STEP_FAILED = "step_failed"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


ENDED = frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED})


def after_failure(*, failures: int, max_attempts: int, retryable: bool = True) -> JobStatus:
    """What a job becomes when its attempt has failed for the `failures`-th time."""
    del failures, max_attempts, retryable
    return JobStatus.FAILED


def waiting_for(*, status: JobStatus, seconds_until_due: float, published: bool) -> str | None:
    """Why a PENDING job is not running yet, in a sentence; `None` for any other status."""
    if status is not JobStatus.PENDING:
        return None
    if seconds_until_due > 0:
        return f"It is not due yet: it may begin in {seconds_until_due:.0f} s."
    if not published:
        return "Its message has not been handed to the broker yet."
    return "It waits in the queue for a free worker."
