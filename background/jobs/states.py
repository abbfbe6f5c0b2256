"""What may become of a job: decided here, without SQL, Celery or HTTP. `queries` writes it down.

PENDING -> IN_PROGRESS -> COMPLETED | FAILED | CANCELLED
   ^____________|                (another attempt is due at `run_at`)
"""

from dataclasses import dataclass
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
    LOST = "lost"
    CANCEL_REQUESTED = "cancel_requested"
    RETRIED = "retried"
    HANDED_BACK = "handed_back"


ENDED = frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED})


@dataclass(frozen=True)
class Decision:
    """What a job becomes when an attempt has ended early; a PENDING one is due again after `delay` seconds."""

    status: JobStatus
    delay: float = 0


def backoff(failures: int, *, jitter: float) -> float:
    """Seconds until the next attempt after the `failures`-th failure: 1, doubling up to 60, less up to a half.

    `jitter` is a random number from 0 to 1, so that jobs that failed together do not come back together
    ("equal jitter", Brooker, AWS Architecture Blog, 2015).
    """
    full: float = min(2.0 ** (failures - 1), 60.0)
    return full * (0.5 + 0.5 * jitter)


def after_error(*, failures: int, max_attempts: int, retryable: bool, jitter: float) -> Decision:
    """A step has failed; it is the job's `failures`-th failure."""
    if not retryable or failures >= max_attempts:
        return Decision(JobStatus.FAILED)
    return Decision(JobStatus.PENDING, backoff(failures, jitter=jitter))


def after_loss(*, failures: int, max_attempts: int) -> Decision:
    """A worker has let its lease run out; it is the job's `failures`-th failure. Goes on elsewhere at once."""
    return Decision(JobStatus.FAILED if failures >= max_attempts else JobStatus.PENDING)


def why_no_retry(*, status: JobStatus, steps_done: int, from_step: int | None) -> str | None:
    """Why a job with this many COMPLETED steps cannot be retried like this; `None` when it can."""
    if status not in ENDED:
        return f"It is {status}; only a job that has ended can be retried."
    if status is JobStatus.COMPLETED and from_step is None:
        return "It is COMPLETED; name the step to run again in from_step."
    if from_step is not None and from_step > steps_done + 1:
        return f"Step {from_step} cannot be first: only {steps_done} steps are COMPLETED."
    return None


@dataclass(frozen=True)
class Waiting:
    """What is known of a PENDING job. `error` is what its last failure said, if it failed before.

    `live_workers` and `queue_length` come from the workers' own reports; without a `queue_length` none of them
    reaches the broker.
    """

    seconds_until_due: float
    error: str | None
    published: bool
    live_workers: int
    queue_length: int | None


def waiting_for(job: Waiting) -> str:
    """Why a PENDING job is not running yet, in a sentence."""
    if job.seconds_until_due > 0:
        pause = f"{job.seconds_until_due:.0f} s"
        return (
            f"It is not due yet: it may begin in {pause}."
            if job.error is None
            else f"It pauses for another {pause} after an error: {job.error}"
        )
    if job.live_workers == 0:
        return "No worker is alive."
    if job.queue_length is None:
        return "The broker is down: no worker can reach it."
    if not job.published:
        return "Its message is about to be handed to the broker."
    if job.queue_length == 0:
        return "Its message is on its way to a worker."
    return f"It waits for a free worker: {job.queue_length} in the queue, {job.live_workers} alive."
