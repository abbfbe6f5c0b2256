"""What may become of a job: decided here, without SQL, Celery or HTTP, and written by `sql`.

PENDING -> IN_PROGRESS -> COMPLETED | FAILED | CANCELLED
   ^____________|                (another attempt is due at `run_at`)

What only the row tells at the moment of writing is decided by the statement that writes: that a step which has ended is
followed by another one, by the job's end, or by a wait for a worker that has the next one (`sql.work`); that an attempt
which ends early ends a job that is to be cancelled, and who may write at all, the fence (`sql.transitions`); and
whether what a client asks for is still possible (`sql.control`).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from background.jobs.causes import Cause, CauseCode


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
    RETRY_LATER = "retry_later"


class Action(StrEnum):
    """What can be asked of a job once it is there."""

    CANCEL = "cancel"
    RETRY = "retry"
    DELETE = "delete"


WAKE_SECONDS = 3.0
"""Seconds in which the message that wakes a worker for a new job reaches its queue, or never: after that the broker
refuses it. A message that is missing then will not come, and recovery sends another."""

KEY_CHARACTERS = 255
"""How long the unique key of a job may be."""

ENDED = frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED})


@dataclass(frozen=True)
class Outcome:
    """What an attempt came to that ended in the middle of its step: made by `failed`, `timed_out`, `lost`, …

    A job that becomes PENDING is due again after `delay` seconds. `is_failure` counts, against the job unless the step
    has a limit of its `own`; in its last `silent` seconds the attempt did not run. `error` is what a step's traceback
    said, `waits_for` why it has asked to be run later. `cause` has the facts of the `message` where its words
    are ours. (A step that ended well is `sql.work.End`.)
    """

    status: JobStatus
    kind: EventKind
    message: str
    error: str | None = None
    cause: Mapping[str, Any] | None = None
    is_failure: bool = False
    own: bool = False
    waits_for: str | None = None
    delay: float = 0
    silent: float = 0


def failed(
    message: str,
    *,
    error: str | None,
    cause: Mapping[str, Any] | None = None,
    failures: int,
    max_attempts: int,
    retryable: bool,
    pause: float,
    own: bool = False,
) -> Outcome:
    """A step has raised, after so many `failures`: another attempt after a `pause`, unless that was the last.

    `own`: the two numbers are the step's, and not the job's, here and below.
    """
    more = retryable and failures + 1 < max_attempts
    return Outcome(
        JobStatus.PENDING if more else JobStatus.FAILED,
        EventKind.STEP_FAILED,
        message,
        error=error,
        cause=cause,
        is_failure=True,
        own=own,
        delay=pause if more else 0,
    )


def timed_out(step: int, *, seconds: float, blocks: str | None = None, **held: Any) -> Outcome:
    """A step has run longer than it may, and did not stop by itself: as one that has `failed`, which takes `held`.

    `blocks`: at this place it blocks the event loop of its process.
    """
    code = CauseCode.TIMED_OUT if blocks is None else CauseCode.TIMED_OUT_BLOCKING
    cause = Cause(code, step=step, seconds=seconds)
    return failed(f"TimedOut: {cause}", error=blocks, cause=cause.facts, retryable=True, **held)


def lost(*, failures: int, max_attempts: int, silent: float, own: bool = False) -> Outcome:
    """A worker has let its lease run out, after so many `failures`. The job goes on elsewhere at once."""
    return _told(
        JobStatus.PENDING if failures + 1 < max_attempts else JobStatus.FAILED,
        EventKind.LOST,
        Cause(CauseCode.LOST),
        is_failure=True,
        own=own,
        silent=silent,
    )


def waits(reason: str, *, seconds: float) -> Outcome:
    """A step has asked to be run again later: nothing has failed."""
    cause = Cause(CauseCode.RETRY_LATER, reason=reason)
    return _told(JobStatus.PENDING, EventKind.RETRY_LATER, cause, waits_for=reason, delay=seconds)


def cancelled() -> Outcome:
    """A step has noticed that its job is to be cancelled."""
    return _told(JobStatus.CANCELLED, EventKind.CANCELLED, Cause(CauseCode.CANCELLED_IN_STEP))


def held_up(by: tuple[int, int] | None) -> Outcome:
    """A step could not go on, since the step of that job blocks the event loop of both: that is held against nobody."""
    cause = Cause(CauseCode.BLOCKED_BY_ANOTHER) if by is None else Cause(CauseCode.BLOCKED, job=by[0], step=by[1])
    return _told(JobStatus.PENDING, EventKind.HANDED_BACK, cause)


def stopped() -> Outcome:
    """The job is given back in a planned stop of its worker, which is held against nobody."""
    return _told(JobStatus.PENDING, EventKind.HANDED_BACK, Cause(CauseCode.WORKER_STOPPED))


def overtaken() -> Outcome:
    """The step was completed just when the job was claimed for it, which is held against nobody."""
    return _told(JobStatus.PENDING, EventKind.HANDED_BACK, Cause(CauseCode.OVERTAKEN))


def _told(status: JobStatus, kind: EventKind, cause: Cause, **more: Any) -> Outcome:
    return Outcome(status, kind, str(cause), cause=cause.facts, **more)


def why_no_retry(
    *, status: JobStatus, step_names: Sequence[str], completed: Collection[str], from_step: int | None
) -> dict[str, Any] | None:
    """Why a job with this plan, of which these steps are COMPLETED, cannot be retried like this, as facts.

    `None` when it can.
    """
    done = _done(step_names, completed)
    if status not in ENDED:
        return {"why": "not_ended", "status": status}
    if from_step is None:
        return {"why": "name_step"} if done == len(step_names) else None
    if from_step > len(step_names):
        return {"why": "steps", "total": len(step_names)}
    if from_step > done + 1:
        return {"why": "step_too_far", "step": from_step, "done": done}
    return None


def _done(step_names: Sequence[str], completed: Collection[str]) -> int:
    """How many steps are behind such a job: those before the first that is not COMPLETED."""
    return next((number for number, name in enumerate(step_names) if name not in completed), len(step_names))


def last_from_step(*, status: JobStatus, step_names: Sequence[str], completed: Collection[str]) -> int | None:
    """The last step that such a job can be retried from: each up to it can be named. `None` where it cannot be."""
    return min(_done(step_names, completed) + 1, len(step_names)) if status in ENDED else None


def actions(
    *, status: JobStatus, step_names: Sequence[str], completed: Collection[str], cancel_requested: bool
) -> list[Action]:
    """What may be asked of such a job, of which these steps are COMPLETED."""
    if status not in ENDED:
        return [] if cancel_requested else [Action.CANCEL]
    no = why_no_retry(status=status, step_names=step_names, completed=completed, from_step=None)
    return [Action.DELETE] if no else [Action.RETRY, Action.DELETE]


def replanned(step_names: Sequence[str], step_keys: Mapping[str, int] | None, today: Sequence[str]) -> dict[str, int]:
    """The number of each step's key, by name, when a job gets today's plan: a step keeps the one that it ever had."""
    keys = dict(step_keys or {name: number for number, name in enumerate(step_names, start=1)})
    for name in today:
        keys.setdefault(name, max(keys.values(), default=0) + 1)
    return keys


NO_RETRY = {
    "not_ended": "It is {status}; only a job that has ended can be retried.",
    "name_step": "All its steps are COMPLETED; name the first to run again in from_step.",
    "step_too_far": "Step {step} cannot be first: only {done} steps are COMPLETED.",
    "steps": "Its last step is {total}.",
    "key_taken": "Another job of its pipeline with its unique key has not ended.",
    "pipeline_gone": "There is no pipeline {pipeline!r} any more.",
}
"""Why a job cannot be retried, by `why`, with places for the facts."""
