"""Why a PENDING job is not running yet: as facts, and in a sentence. Decided here, without SQL, Celery or HTTP."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


@dataclass(frozen=True)
class Waiting:
    """What is known of a PENDING job.

    `error` is what its last failure said, if it failed since it was created or retried, and `waits_for` why its step
    has asked to be run later, if it did last.

    `live_workers`, how many are `serving` its `queue`, and `queue_length` come from the workers' own reports; without a
    `queue_length` none of those reaches the broker. `lacking` are the facts of what none of them has, see there, and
    `barred` those of the pause or limit that holds it back (see `limits.Standing`).
    """

    seconds_until_due: float
    run_at: datetime
    error: str | None
    published: bool
    queue: str
    live_workers: int
    serving: int
    queue_length: int | None
    lacking: dict[str, Any] | None = None
    barred: dict[str, Any] | None = None
    waits_for: str | None = None


class WaitingCode(StrEnum):
    """Every reason for which a PENDING job waits."""

    NOT_DUE = "not_due"
    PAUSING = "pausing"
    RETRY_LATER = "retry_later"
    NO_WORKER = "no_worker"
    NO_WORKER_SERVES_QUEUE = "no_worker_serves_queue"
    NO_WORKER_HAS_PIPELINE = "no_worker_has_pipeline"
    NO_WORKER_HAS_STEP = "no_worker_has_step"
    PARAMS_REFUSED = "params_refused"
    BROKER_DOWN = "broker_down"
    BEING_PUBLISHED = "being_published"
    ON_ITS_WAY = "on_its_way"
    NO_FREE_WORKER = "no_free_worker"
    QUEUE_PAUSED = "queue_paused"
    PIPELINE_PAUSED = "pipeline_paused"
    CONCURRENCY_LIMIT = "concurrency_limit"
    RATE_LIMIT = "rate_limit"


SENTENCES = {
    WaitingCode.NOT_DUE: "It is not due yet: it may begin in {seconds:.0f} s.",
    WaitingCode.PAUSING: "It pauses for another {seconds:.0f} s after an error: {error}",
    WaitingCode.RETRY_LATER: "Its step has asked to be run again in {seconds:.0f} s: {reason}",
    WaitingCode.NO_WORKER: "No worker is alive.",
    WaitingCode.NO_WORKER_SERVES_QUEUE: "No live worker serves the queue {queue}.",
    WaitingCode.NO_WORKER_HAS_PIPELINE: "No live worker has the pipeline {pipeline}.",
    WaitingCode.NO_WORKER_HAS_STEP: "No live worker has the step {step} of the pipeline {pipeline}.",
    WaitingCode.PARAMS_REFUSED: "Its params do not fit any live worker's release of {pipeline}: {error}",
    WaitingCode.BROKER_DOWN: "The broker is down: no worker can reach it.",
    WaitingCode.BEING_PUBLISHED: "Its message is about to be handed to the broker.",
    WaitingCode.ON_ITS_WAY: "Its message is on its way to a worker.",
    WaitingCode.NO_FREE_WORKER: "It waits for a free worker: {workers} alive.",
    WaitingCode.QUEUE_PAUSED: "The queue {queue} is paused.",
    WaitingCode.PIPELINE_PAUSED: "The pipeline {pipeline} is paused.",
    WaitingCode.CONCURRENCY_LIMIT: "Its turn has not come: {limit} at once of the {of}, now jobs {holders}.",
    WaitingCode.RATE_LIMIT: "Its turn has not come: at most {limit} of the {of} may begin in {per_seconds:,.12g} s.",
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


def why(job: Waiting) -> dict[str, Any]:
    """Why a PENDING job is not running yet, as facts: `code`, and what belongs to it."""
    if job.seconds_until_due > 0:
        return _not_due(job)
    found = job.barred or _unreached(job) or job.lacking
    if found is not None:
        return found
    # Where messages wait every slot is busy, however long ago the one for this job was sent.
    if job.queue_length == 0:
        return {"code": WaitingCode.ON_ITS_WAY if job.published else WaitingCode.BEING_PUBLISHED}
    return {"code": WaitingCode.NO_FREE_WORKER, "queued": job.queue_length, "workers": job.serving}


def _unreached(job: Waiting) -> dict[str, Any] | None:
    if job.live_workers == 0:
        return {"code": WaitingCode.NO_WORKER}
    if job.serving == 0:
        return {"code": WaitingCode.NO_WORKER_SERVES_QUEUE, "queue": job.queue}
    return {"code": WaitingCode.BROKER_DOWN} if job.queue_length is None else None


def _not_due(job: Waiting) -> dict[str, Any]:
    due = {"seconds": job.seconds_until_due, "run_at": job.run_at}
    if job.waits_for is not None:
        return {"code": WaitingCode.RETRY_LATER, **due, "reason": job.waits_for}
    if job.error is not None:
        return {"code": WaitingCode.PAUSING, **due, "error": job.error}
    return {"code": WaitingCode.NOT_DUE, **due}


def sentence(facts: dict[str, Any]) -> str:
    """The facts of `why` in a sentence."""
    words = dict(facts)
    if "holders" in facts:
        named = list(map(str, facts["holders"]))
        words["holders"] = ", ".join(named) + (" and others" if len(named) < facts["limit"] else "")
    return SENTENCES[facts["code"]].format(**words)
