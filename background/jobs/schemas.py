"""What the job endpoints take and give: for the server and its clients, so without anything of a server."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Self, TypedDict
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    PlainSerializer,
    SerializerFunctionWrapHandler,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_serializer,
)

from background.base.strict import Strict
from background.jobs.causes import CauseCode
from background.jobs.history import Bucket, Range
from background.jobs.states import KEY_CHARACTERS, Action, EventKind, JobStatus, StepStatus
from background.jobs.waiting import WaitingCode

MAX_DELAY_SECONDS = 10 * 365 * 86_400
MAX_TAGS = 10
CALLBACK_CHARACTERS = 2000


def _callback_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and url.isascii()
    except ValueError:
        usable = False
    if not usable or re.search(r"[\s\\\x00-\x1f\x7f]", url):
        raise ValueError("must be an address such as https://example.com/jobs, of ASCII characters")
    if "@" in parts.netloc:
        raise ValueError("must have no user name or password in it: everybody who may read jobs could read them")
    return url


CallbackUrl = Annotated[str, Field(max_length=CALLBACK_CHARACTERS), AfterValidator(_callback_url)]
Tag = Annotated[str, Field(min_length=1, max_length=64)]


def _or_newer(value: Any, known: ValidatorFunctionWrapHandler) -> Any:
    try:
        return known(value)
    except ValidationError:
        if isinstance(value, str):
            return value
        raise


OrNewer = WrapValidator(_or_newer)
"""A word that only a newer API knows is kept as text, so that a client can read all that comes with it."""


def _max_attempts() -> int:
    # Not at the top: a client gives no defaults, and has no settings.
    from background.settings import get_settings

    return get_settings().max_attempts


class JobRequest(Strict):
    """The body of `POST /jobs`; every field has a default. Of two waiting jobs, priority 9 comes before 0.

    While a job of the same pipeline and `unique_key` has not ended, or with `unique_seconds` was created within so many
    seconds, the answer is that job.
    """

    pipeline: str = "demo"
    params: dict[str, Any] = Field(default_factory=dict, examples=[{}])
    priority: int = Field(0, ge=0, le=9)
    delay_seconds: float = Field(0.0, ge=0, le=MAX_DELAY_SECONDS)
    max_attempts: int = Field(default_factory=_max_attempts, ge=1, le=100)
    callback_url: CallbackUrl | None = None
    tags: list[Tag] = Field(default_factory=list, max_length=MAX_TAGS)
    unique_key: str | None = Field(None, min_length=1, max_length=KEY_CHARACTERS)
    unique_seconds: float | None = Field(None, gt=0, le=MAX_DELAY_SECONDS)


class EnqueueOptions(TypedDict, total=False):
    """What may be said in Python of a new job beside its pipeline and params; what is left out has defaults."""

    priority: int
    delay_seconds: float
    max_attempts: int
    tags: Sequence[str]
    callback_url: str | None
    unique_key: str | None
    unique_seconds: float | None


class BatchRequest(Strict):
    """The body of `POST /jobs/batch`: all of them, or none."""

    jobs: list[JobRequest] = Field(min_length=1, max_length=1000)


class RetryRequest(Strict):
    """The body of `POST /jobs/{id}/retry`. `params` replace the old ones entirely.

    `replan` gives the job the steps and hooks of today's release; what is COMPLETED of them stays so.
    """

    from_step: int | None = Field(None, ge=1, le=100)
    params: dict[str, Any] | None = None
    replan: bool = False


class JobCreated(BaseModel):
    """The answer of `POST /jobs`. `duplicate`: nothing was made, since there was this job with its unique key.

    It is left out where it is false.
    """

    job_id: int
    task_id: UUID
    status: Annotated[JobStatus, OrNewer]
    message: str = "Job created and submitted successfully"
    duplicate: bool = False

    @model_serializer(mode="wrap")
    def _only_of_a_duplicate(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        found: dict[str, Any] = write(self)
        if not self.duplicate:
            del found["duplicate"]
        return found


class Cause(BaseModel):
    """Why an attempt failed or was stopped, where the application itself says so: `code` says which facts there are.

    `step` and the `seconds` that it may take, the `size` in bytes of what it returned, the `limit` that this goes over,
    how many `times`, and another's `error` or `reason`. What blocks an event loop is the `step` of a `job`.
    """

    code: Annotated[CauseCode, OrNewer]
    step: int | None = None
    seconds: float | None = None
    size: int | None = None
    limit: int | None = None
    times: int | None = None
    error: str | None = None
    reason: str | None = None
    job: int | None = None


def told(facts: BaseModel | None) -> dict[str, Any] | None:
    """The facts that there are, without the others."""
    return None if facts is None else facts.model_dump(mode="json", exclude_unset=True)


CauseFacts = Annotated[Cause | None, PlainSerializer(told)]


class Step(BaseModel):
    """One step of a job that has begun; `progress` runs from 0 to 1."""

    id: int
    step_number: int
    name: str
    status: Annotated[StepStatus, OrNewer]
    message: str
    attempt: int
    progress: float
    output: Any
    error: str | None
    started_at: datetime
    completed_at: datetime | None


class Event(BaseModel):
    """One entry of a job's history. `step` is the number that the step had then, `step_name` what it is called.

    `actor` is the name of the API key that asked for it, if one did. `reason` is why a step has asked to be run later,
    as it said it itself, and `cause` the `message` as facts, where its words are the application's own.
    """

    number: int
    kind: Annotated[EventKind, OrNewer]
    at: datetime
    step: int | None
    step_name: str | None
    attempt: int
    worker: str | None
    message: str | None
    reason: str | None = None
    cause: CauseFacts = None
    error: str | None
    actor: str | None


class LogLine(BaseModel):
    """A line that a step has logged: with `context.log`, or by the standard `logging`. `id` grows within the job.

    `step` is where that stands in the job's present plan; 0: a retry has taken another plan, which has it no more.
    """

    id: int
    at: datetime
    level: str
    message: str
    step: int
    attempt: int


class WaitingFacts(BaseModel):
    """Why a PENDING job is not running yet: `code` says which of the facts there are.

    A limit is of a `queue` or a `pipeline`; of a pipeline's it may be that of the jobs whose parameter `key` has this
    `value`. `of` says the same in words. `holders` are some of the jobs that have its places.
    `queued` are the messages in the broker's queue: they wake workers, and are fewer than the jobs that wait.
    """

    code: Annotated[WaitingCode, OrNewer]
    seconds: float | None = None
    run_at: datetime | None = None
    error: str | None = None
    reason: str | None = None
    queued: int | None = None
    workers: int | None = None
    pipeline: str | None = None
    step: str | None = None
    queue: str | None = None
    key: str | None = None
    value: Any = None
    of: str | None = None
    limit: int | None = None
    per_seconds: float | None = None
    holders: list[int] | None = None


class Job(BaseModel):
    """A job with its steps. `waiting` has the facts, and `waiting_for` the sentence, why a PENDING one does not run.

    `cause` is `error` as facts, where its words are not those of a step's own exception. `running_seconds` is how long
    the present or last attempt has taken, `step_names` its plan, `request_id` the `X-Request-ID` of the request that
    made it. `cancel_requested`: it runs, and is to stop. `actions`: what may be asked of it now; `last_from_step`:
    up to which step a retry may begin, `null` before it has ended. In lists and streams large values are left out
    (`null`) and named in `cut`, e.g. `steps.0.output`; `GET /jobs/{id}` has them.
    """

    id: int
    task_id: UUID
    status: Annotated[JobStatus, OrNewer]
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
    cause: CauseFacts = None
    waiting_for: str | None
    waiting: Annotated[WaitingFacts | None, PlainSerializer(told)]
    queue: str
    tags: list[str]
    unique_key: str | None
    schedule_id: int | None
    parent_id: int | None = None
    request_id: str | None = None
    cancel_requested: bool = False
    actions: list[Annotated[Action, OrNewer]] = []
    last_from_step: int | None = None
    step_names: list[str]
    steps: list[Step]
    cut: list[str] = []


class Hook(BaseModel):
    """A job that was called when another had ended; its `pipeline` says by what."""

    id: int
    pipeline: str
    status: Annotated[JobStatus, OrNewer]
    error: str | None


class JobWithHistory(Job):
    """A job with its steps and, in `events`, what happened to it: the newest 1,000 events, oldest first.

    Of the reports of progress of a step each attempt keeps the newest, so numbers may be missing between events.
    `hooks` are the jobs that its ends have called, at most 20, the newest first; it is left out where there are none.
    """

    events: list[Event]
    hooks: list[Hook] = []

    @model_serializer(mode="wrap")
    def _only_those_there_are(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        found: dict[str, Any] = write(self)
        if not self.hooks:
            del found["hooks"]
        return found


class Percentiles(BaseModel):
    """Seconds that half, 95 and 99 of a hundred jobs did not exceed, each right to a tenth."""

    p50: float
    p95: float
    p99: float


class Minute(BaseModel):
    """What ended from `minute` on: in a minute of the last hour, 20 of the last day, or two hours of the last week.

    Means and percentiles, in seconds, are of the jobs that ended then; `None` without any. Waiting is the time from
    being due to the first start, running that of the last attempt. `submitted` is known of the last hour alone.
    """

    minute: datetime
    submitted: int | None
    completed: int
    failed: int
    cancelled: int
    mean_waiting_seconds: float | None
    mean_running_seconds: float | None
    waiting: Percentiles | None
    running: Percentiles | None

    @classmethod
    def of(cls, bucket: Bucket, *, submitted: int | None) -> Self:
        """The same as an answer."""
        waiting, running = bucket.waiting, bucket.running
        return cls(
            minute=bucket.minute,
            submitted=submitted,
            completed=bucket.ended.get(JobStatus.COMPLETED, 0),
            failed=bucket.ended.get(JobStatus.FAILED, 0),
            cancelled=bucket.ended.get(JobStatus.CANCELLED, 0),
            mean_waiting_seconds=waiting and waiting.mean,
            mean_running_seconds=running and running.mean,
            waiting=waiting and Percentiles.model_validate(waiting._asdict()),
            running=running and Percentiles.model_validate(running._asdict()),
        )


class Statistics(BaseModel):
    """Counts of jobs by status, in all and by pipeline.

    `waiting` are the PENDING jobs that are due, and `oldest_waiting_seconds` is how long the first of them has been;
    `queue_depth` is the number of messages in the broker's queue, `None` when the broker does not answer.
    `series` has the buckets of the `range`, oldest first, the last one not over yet, each of `bucket_seconds`. What
    ended more than an hour ago is as it was within some minutes of its end, also of jobs that were deleted or retried
    since. Of a pipeline with more than 20,000 jobs PostgreSQL's statistics tell how many are COMPLETED, or of a status
    with as many: such statuses are in `estimated`.
    """

    total: int
    status: dict[JobStatus, int]
    pipelines: dict[str, dict[JobStatus, int]]
    waiting: int
    oldest_waiting_seconds: float | None
    queue_depth: int | None
    series: list[Minute]
    range: Range
    bucket_seconds: float
    estimated: list[JobStatus]


class WorkerSteps(BaseModel):
    """Which steps of a pipeline a live worker has; `None` where it does not have the pipeline."""

    worker: str
    release: str | None
    steps: list[str] | None


class PipelineInfo(BaseModel):
    """One entry of `GET /pipelines`: its steps in order, the JSON Schema of its params, and its `limits`.

    `built_in`: it comes with the application. `called`: its jobs are made by the end of others alone. New jobs wait in
    its `queue`. `workers` are the live ones; there is `drift` where one of them has other steps, or takes other
    params.
    """

    name: str
    description: str
    built_in: bool = False
    called: bool = False
    queue: str
    paused: bool
    limits: list[dict[str, Any]]
    steps: list[str]
    params: dict[str, Any]
    drift: bool
    workers: list[WorkerSteps]
