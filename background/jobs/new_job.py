"""What is stored of a job that is asked for: by a client, a schedule, or in somebody else's transaction."""

import hashlib
from typing import Any
from uuid import uuid4

from background.base import jsontext, log_context
from background.base.errors import Invalid
from background.jobs import checks, hooks, registry
from background.jobs.pipeline import Pipeline
from background.jobs.schemas import JobRequest
from background.jobs.sql.control import Known

KEYS = ("idempotency_key", "request_digest")
NOT_IN_OLD_DIGESTS = ("tags", "callback_url", "unique_key", "unique_seconds")


def as_row(request: JobRequest, *, where: tuple[str | int, ...] = ("body",)) -> dict[str, Any]:
    """What `control.create` stores of a request, but for what `as_new` adds. Raises `Invalid` or `TooLarge`."""
    return _row(*checks.resolve(request, where=where), request, where=where)


def as_new(job: dict[str, Any]) -> dict[str, Any]:
    """The same as a job of its own, which is made for the present request, if there is one."""
    return {**job, "task_id": str(uuid4()), "request_id": log_context.request_id()}


def as_pattern(request: JobRequest) -> dict[str, Any]:
    """The same of jobs that are to be made again and again: what is `drawn` has another value in each."""
    job = as_row(request)
    return {**job, "drawn": registry.pipelines()[request.pipeline].drawn(request.params)}


def as_declared(pipeline: Pipeline) -> dict[str, Any]:
    """The same of what a pipeline's own schedule makes: its parameters have been checked, and the rest is the usual."""
    request = JobRequest(pipeline=pipeline.name, params=pipeline.scheduled_given())
    return {**_row(pipeline, pipeline.scheduled_params(), request), "drawn": pipeline.drawn(request.params)}


def as_checked(job: dict[str, Any]) -> dict[str, Any]:
    """What `control.create` stores now of what `as_pattern` has given, with the plan of this release, if it has one.

    It takes parameters as they are: a job whose parameters do not fit any more waits and says so.
    """
    pipeline = registry.pipelines().get(job["pipeline"])
    if pipeline is None:
        return as_new(job)
    names = job.get("drawn")
    params = pipeline.drawn_anew(job["params"], names) if names else job["params"]
    key = pipeline.unique_key(params)
    return as_new({**job, "params": params, "unique_key": key, **_planned(pipeline, params, job.get("callback_url"))})


def _row(
    pipeline: Pipeline, params: dict[str, Any], request: JobRequest, *, where: tuple[str | int, ...] = ("body",)
) -> dict[str, Any]:
    key = request.unique_key if request.unique_key is not None else pipeline.unique_key(params)
    if key is None and request.unique_seconds is not None:
        message = "unique_seconds needs a unique_key, which neither the request nor its pipeline has."
        raise Invalid(message, where=(*where, "unique_seconds"), code="unique_seconds_alone")
    return {
        "pipeline": pipeline.name,
        "params": params,
        "priority": request.priority,
        "delay_seconds": request.delay_seconds,
        "max_attempts": request.max_attempts,
        "tags": request.tags,
        "unique_key": key,
        "unique_seconds": request.unique_seconds,
        "callback_url": request.callback_url,
        **_planned(pipeline, params, request.callback_url, where=where),
    }


def _planned(
    pipeline: Pipeline,
    params: dict[str, Any],
    callback_url: str | None,
    *,
    where: tuple[str | int, ...] = ("body",),
) -> dict[str, Any]:
    """What this release of the pipeline makes of a job: its plan, its queue and limits, what is called at its end."""
    return {
        **pipeline.plan(),
        "queue": pipeline.queue,
        "limit_key": pipeline.lane_key(params),
        "held": bool(pipeline.limits),
        "hooks": hooks.called(pipeline, callback_url, where=where),
    }


def as_before(job: dict[str, Any], request: JobRequest, before: Known) -> dict[str, Any]:
    """What `as_row` has given of the request, with what it does not give as that job has it which was made `before`.

    Params that are `drawn` had other values then, and those that its release did not know were not there.
    """
    pipeline = registry.pipelines()[request.pipeline]
    names, given = pipeline.drawn(request.params), pipeline.given(request.params)
    # What is equal stays, since its members may stand in another order there.
    kept = {name: value for name, value in before.params.items() if name in names and value != job["params"].get(name)}
    params = pipeline.drawn_anew({**job["params"], **kept}, ()) if kept else job["params"]
    then = {name: value for name, value in params.items() if name in before.params or name in given}
    by_setting = {} if "max_attempts" in request.model_fields_set else {"max_attempts": before.max_attempts}
    return {**job, **by_setting, "params": then}


def digest(job: dict[str, Any]) -> str:
    """What an Idempotency-Key stands for: a digest of what was asked for, whatever this release makes of it."""
    planned = ("step_names", "step_timeouts", "queue", "limit_key", "held", "hooks", *KEYS)
    # What is new is left out where it is not used: a release that does not know it yet must find the same digest.
    request = {
        name: value
        for name, value in sorted(job.items())
        if name not in planned and (value or name not in NOT_IN_OLD_DIGESTS)
    }
    return hashlib.sha256(jsontext.as_kept(jsontext.dumps(request)).encode()).hexdigest()
