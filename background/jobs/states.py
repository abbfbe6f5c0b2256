"""What may become of a job: decided here, without SQL, Celery or HTTP. `queries` writes it down.

PENDING -> IN_PROGRESS -> COMPLETED | FAILED | CANCELLED
   ^____________|                (another attempt is due at `run_at`)
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


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


WAKE_SECONDS = 3.0
"""So long after a job became due by being stored, the message that wakes a worker for it may still be on its way to the
queue; the broker refuses it later. So what is missing then will not come, and recovery sends it."""

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


def why_no_retry(
    *, status: JobStatus, step_names: Sequence[str], completed: Collection[str], from_step: int | None
) -> dict[str, Any] | None:
    """Why a job with this plan, of which these steps are COMPLETED, cannot be retried like this, as facts.

    `None` when it can.
    """
    done = next((number for number, name in enumerate(step_names) if name not in completed), len(step_names))
    if status not in ENDED:
        return {"why": "not_ended", "status": status}
    if from_step is None:
        return {"why": "name_step"} if done == len(step_names) else None
    if from_step > len(step_names):
        return {"why": "steps", "total": len(step_names)}
    if from_step > done + 1:
        return {"why": "step_too_far", "step": from_step, "done": done}
    return None


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
    "steps": "It has {total} steps.",
    "pipeline_gone": "There is no pipeline {pipeline!r} any more.",
}
"""Why a job cannot be retried, by `why`, with places for the facts."""


@dataclass(frozen=True)
class Waiting:
    """What is known of a PENDING job. `error` is what its last failure said, if it failed before.

    `live_workers` and `queue_length` come from the workers' own reports; without a `queue_length` none of them
    reaches the broker. `lacking` are the facts of what no live worker has, see there.
    """

    seconds_until_due: float
    run_at: datetime
    error: str | None
    published: bool
    live_workers: int
    queue_length: int | None
    lacking: dict[str, Any] | None = None


class WaitingCode(StrEnum):
    """Every reason for which a PENDING job waits."""

    NOT_DUE = "not_due"
    PAUSING = "pausing"
    NO_WORKER = "no_worker"
    NO_WORKER_HAS_PIPELINE = "no_worker_has_pipeline"
    NO_WORKER_HAS_STEP = "no_worker_has_step"
    PARAMS_REFUSED = "params_refused"
    BROKER_DOWN = "broker_down"
    BEING_PUBLISHED = "being_published"
    ON_ITS_WAY = "on_its_way"
    NO_FREE_WORKER = "no_free_worker"


WAITING_SENTENCES = {
    WaitingCode.NOT_DUE: "It is not due yet: it may begin in {seconds:.0f} s.",
    WaitingCode.PAUSING: "It pauses for another {seconds:.0f} s after an error: {error}",
    WaitingCode.NO_WORKER: "No worker is alive.",
    WaitingCode.NO_WORKER_HAS_PIPELINE: "No live worker has the pipeline {pipeline}.",
    WaitingCode.NO_WORKER_HAS_STEP: "No live worker has the step {step} of the pipeline {pipeline}.",
    WaitingCode.PARAMS_REFUSED: "Its params do not fit any live worker's release of {pipeline}: {error}",
    WaitingCode.BROKER_DOWN: "The broker is down: no worker can reach it.",
    WaitingCode.BEING_PUBLISHED: "Its message is about to be handed to the broker.",
    WaitingCode.ON_ITS_WAY: "Its message is on its way to a worker.",
    WaitingCode.NO_FREE_WORKER: "It waits for a free worker: {queued} in the queue, {workers} alive.",
}
"""Each in English; the page has its own."""


def lacking(
    pipeline: str,
    step: str | None,
    *,
    turned_away: Mapping[str, Any] | None,
    crews: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any] | None:
    """What none of the live workers has for the next step of a job; `crews` has the abilities (see `registry`) by crew.

    `turned_away` says which crews refused its parameters. A release that does not say what it has may have it.
    """
    if not crews:
        return None
    having = {crew: abilities[pipeline] for crew, abilities in crews.items() if pipeline in abilities}
    if not having:
        return {"code": WaitingCode.NO_WORKER_HAS_PIPELINE, "pipeline": pipeline}
    able = [crew for crew, each in having.items() if step in each["steps"]]
    if not able:
        return {"code": WaitingCode.NO_WORKER_HAS_STEP, "pipeline": pipeline, "step": step}
    if turned_away and set(able) <= set(turned_away["refused_by"]):
        return {"code": WaitingCode.PARAMS_REFUSED, "pipeline": pipeline, "error": turned_away["error"]}
    return None


def waiting(job: Waiting) -> dict[str, Any]:
    """Why a PENDING job is not running yet, as facts: `code`, and what belongs to it."""
    if job.seconds_until_due > 0:
        due = {"seconds": job.seconds_until_due, "run_at": job.run_at}
        if job.error is None:
            return {"code": WaitingCode.NOT_DUE, **due}
        return {"code": WaitingCode.PAUSING, **due, "error": job.error}
    if job.queue_length is None or job.live_workers == 0:
        return {"code": WaitingCode.NO_WORKER if job.live_workers == 0 else WaitingCode.BROKER_DOWN}
    if job.lacking is not None:
        return job.lacking
    if not job.published or job.queue_length == 0:
        return {"code": WaitingCode.ON_ITS_WAY if job.published else WaitingCode.BEING_PUBLISHED}
    return {"code": WaitingCode.NO_FREE_WORKER, "queued": job.queue_length, "workers": job.live_workers}


def waiting_for(facts: dict[str, Any]) -> str:
    """These facts in a sentence."""
    return WAITING_SENTENCES[facts["code"]].format(**facts)
