"""What the job endpoints take and give."""

import logging
from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, Field, PlainSerializer, ValidationError
from sqlalchemy import RowMapping

from background import jsontext
from background.errors import Invalid, PlaygroundError, TooLarge
from background.jobs import registry, states
from background.jobs.pipeline import Pipeline, Refused, one_line
from background.jobs.states import EventKind, JobStatus, StepStatus
from background.settings import get_settings
from background.strict import Strict
from background.workers.queries import Snapshot

logger = logging.getLogger(__name__)

MAX_DELAY_SECONDS = 10 * 365 * 86_400
MAX_PARAMS_BYTES = 256 * 1024
"""How large a job's params may be, as JSON: they are read with every claim and every look at the job."""


class JobRequest(Strict):
    """The body of `POST /jobs`; every field has a default. Of two waiting jobs, priority 9 comes before 0."""

    pipeline: str = "demo"
    params: dict[str, Any] = Field(default_factory=dict, examples=[{}])
    priority: int = Field(0, ge=0, le=9)
    delay_seconds: float = Field(0.0, ge=0, le=MAX_DELAY_SECONDS)
    max_attempts: int = Field(default_factory=lambda: get_settings().max_attempts, ge=1, le=100)

    def resolve(self, *, where: tuple[str | int, ...] = ("body",)) -> tuple[Pipeline, dict[str, Any]]:
        """The pipeline and its checked parameters. Raises `Invalid` or `TooLarge`: no worker ever meets bad ones."""
        known = registry.pipelines()
        pipeline = known.get(self.pipeline)
        if pipeline is None:
            message = f"There is no pipeline {self.pipeline!r}; there are {', '.join(known)}."
            raise Invalid(message, where=(*where, "pipeline"))
        return pipeline, checked(pipeline, self.params, where=(*where, "params"))


def checked(pipeline: Pipeline, params: dict[str, Any], *, where: tuple[str | int, ...]) -> dict[str, Any]:
    """The parameters as the pipeline's own model has them, defaults included, as JSON.

    Raises `Invalid` with `where` before each path, `TooLarge`, or what the model's own `check` raises of
    `PlaygroundError`.
    """
    if len(jsontext.dumps(params).encode()) > MAX_PARAMS_BYTES:
        path = ".".join(map(str, where[1:]))
        message = f"{path}: the params of a job may have {MAX_PARAMS_BYTES:,} bytes as JSON."
        raise TooLarge(message, code="params_too_large", bytes=MAX_PARAMS_BYTES)
    try:
        found = pipeline.params.model_validate(params)
        found.check()
        as_json = found.model_dump(mode="json")
        jsontext.dumps(as_json)
    except ValidationError as error:
        raise Invalid.from_pydantic(error, where=where) from None
    except Invalid as error:
        raise Invalid(str(error), errors=[each.below(where) for each in error.errors]) from None
    except PlaygroundError:
        raise
    except BaseException as error:  # whatever the pipeline's own code raises, `sys.exit()` too
        logger.warning("The params of pipeline %s cannot be checked.", pipeline.name, exc_info=True)
        raise _refused(one_line(error), where=where) from error
    return as_json


def still_accepted(pipeline: Pipeline, params: dict[str, Any]) -> None:
    """Raise `Invalid` where the parameters of an older release are not taken by this one."""
    try:
        pipeline.accept(params)
    except Refused as error:
        raise _refused(str(error), where=("body", "params")) from error


def _refused(reason: str, *, where: tuple[str | int, ...]) -> Invalid:
    reason = jsontext.clean_text(reason)
    return Invalid(reason, where=where, code="params_refused", error=reason)


class BatchRequest(Strict):
    """The body of `POST /jobs/batch`: all of them, or none."""

    jobs: list[JobRequest] = Field(min_length=1, max_length=1000)


class RetryRequest(Strict):
    """The body of `POST /jobs/{id}/retry`. `params` replace the old ones entirely.

    `replan` gives the job the steps of today's release; what is COMPLETED of them stays so.
    """

    from_step: int | None = Field(None, ge=1, le=100)
    params: dict[str, Any] | None = None
    replan: bool = False


class JobCreated(BaseModel):
    """The answer of `POST /jobs`."""

    job_id: int
    task_id: UUID
    status: JobStatus
    message: str = "Job created and submitted successfully"


class Step(BaseModel):
    """One step of a job that has begun; `progress` runs from 0 to 1."""

    id: int
    step_number: int
    name: str
    status: StepStatus
    message: str
    attempt: int
    progress: float
    output: Any
    error: str | None
    started_at: datetime
    completed_at: datetime | None


class Event(BaseModel):
    """One entry of a job's history. `step` is the number that the step had then, `step_name` what it is called.

    `actor` is the name of the API key that asked for it, if one did.
    """

    number: int
    kind: EventKind
    at: datetime
    step: int | None
    step_name: str | None
    attempt: int
    worker: str | None
    message: str | None
    error: str | None
    actor: str | None


class WaitingFacts(BaseModel):
    """Why a PENDING job is not running yet: `code` says which of the facts there are."""

    code: states.WaitingCode
    seconds: float | None = None
    run_at: datetime | None = None
    error: str | None = None
    queued: int | None = None
    workers: int | None = None
    pipeline: str | None = None
    step: str | None = None


def told(facts: WaitingFacts | None) -> dict[str, Any] | None:
    """Those of the facts that there are."""
    return None if facts is None else facts.model_dump(mode="json", exclude_none=True)


class Job(BaseModel):
    """A job with its steps. `waiting` has the facts, and `waiting_for` the sentence, why a PENDING one does not run.

    `running_seconds` is how long the present or last attempt has taken, `step_names` its plan. In lists and streams
    large values are left out (`null`) and named in `cut`, e.g. `steps.0.output`; `GET /jobs/{id}` has them.
    """

    id: int
    task_id: UUID
    status: JobStatus
    created_at: datetime
    updated_at: datetime
    pipeline: str
    params: dict[str, Any] | None
    priority: int
    attempt: int
    max_attempts: int
    run_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    running_seconds: float | None
    worker: str | None
    result: Any
    error: str | None
    waiting_for: str | None
    waiting: Annotated[WaitingFacts | None, PlainSerializer(told)]
    step_names: list[str]
    steps: list[Step]
    cut: list[str] = []

    @classmethod
    def from_row(cls, row: RowMapping, workers: Snapshot) -> Self:
        """A job as `reads` gives it, and what the workers report at the same time."""
        facts = None
        if row["status"] == JobStatus.PENDING:
            known = states.Waiting(
                seconds_until_due=row["seconds_until_due"],
                run_at=row["run_at"],
                error=row["error"] if row["failures"] else None,
                published=row["published"],
                live_workers=workers.live,
                queue_length=workers.queue_length,
                lacking=states.lacking(
                    row["pipeline"],
                    row["next_step"],
                    turned_away=row["turned_away"],
                    crews={crew.id: crew.abilities for crew in workers.crews},
                ),
            )
            facts = states.waiting(known)
        return cls.model_validate({**row, "waiting": facts, "waiting_for": facts and states.waiting_for(facts)})


class JobWithHistory(Job):
    """A job with its steps and, in `events`, what happened to it: the newest 1,000 events, oldest first.

    Of the reports of progress of a step each attempt keeps the newest, so numbers may be missing between events.
    """

    events: list[Event]


class Minute(BaseModel):
    """One minute of the last hour. The means, in seconds, are of the jobs that ended in it; `None` without any.

    Waiting is the time from being due to the first start, running that of the last attempt.
    """

    minute: datetime
    submitted: int
    completed: int
    failed: int
    mean_waiting_seconds: float | None
    mean_running_seconds: float | None


class Statistics(BaseModel):
    """Counts of jobs by status, in all and by pipeline.

    `waiting` are the PENDING jobs that are due, and `oldest_waiting_seconds` is how long the first of them has been;
    `queue_depth` is the number of messages in the broker's queue, `None` when the broker does not answer.
    `series` has the last 60 minutes, oldest first. Of a pipeline with more than 20,000 jobs PostgreSQL's
    statistics tell how many are COMPLETED, or of a status with as many: such statuses are in `estimated`.
    """

    total: int
    status: dict[JobStatus, int]
    pipelines: dict[str, dict[JobStatus, int]]
    waiting: int
    oldest_waiting_seconds: float | None
    queue_depth: int | None
    series: list[Minute]
    estimated: list[JobStatus]


class WorkerSteps(BaseModel):
    """Which steps of a pipeline a live worker has; `None` where it does not have the pipeline."""

    worker: str
    release: str | None
    steps: list[str] | None


class PipelineInfo(BaseModel):
    """One entry of `GET /pipelines`: its steps in order and the JSON Schema of its params.

    `workers` are the live ones; there is `drift` where one of them has other steps, or takes other params.
    """

    name: str
    description: str
    steps: list[str]
    params: dict[str, Any]
    drift: bool
    workers: list[WorkerSteps]
