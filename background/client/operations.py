"""What can be asked of jobs: each request, and what its answer means. Nothing here sends anything."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypedDict, TypeVar
from uuid import uuid4

from pydantic import BaseModel, TypeAdapter, ValidationError

from background.base.strict import form
from background.client import exchange
from background.client.errors import NotTheApi, Unusable, WaitTimeout
from background.client.events import ServerEvent
from background.client.exchange import Request
from background.jobs.filters import PARAM, ActionOutcome
from background.jobs.schemas import EnqueueOptions, Job, JobCreated, JobWithHistory
from background.jobs.states import ENDED, Action, EventKind, JobStatus

PATH = "/jobs"
PAGE = 200
"""How many jobs are asked for at once: they come with their steps."""

CREATED = TypeAdapter(JobCreated)
ALL_CREATED = TypeAdapter(list[JobCreated])
JOB = TypeAdapter(Job)
JOBS = TypeAdapter(list[Job])
OUTCOME = TypeAdapter(ActionOutcome)
JOB_WITH_HISTORY = TypeAdapter(JobWithHistory)
Told = TypeVar("Told")


class JobOptions(EnqueueOptions, total=False):
    """What may be said of a new job beside its pipeline; for what is left out the API has defaults."""

    params: BaseModel | Mapping[str, Any]


class NewJob(JobOptions, total=False):
    """A new job, one of many."""

    pipeline: str


class JobFilters(TypedDict, total=False):
    """Which jobs are looked for, as in `GET /jobs`; `param` by name (`{"customer": 7, "address.city": "Seoul"}`)."""

    status: JobStatus | str | Sequence[JobStatus | str]
    tag: str | Sequence[str]
    pipeline: str
    queue: str
    worker: str
    schedule_id: int
    param: Mapping[str, Any]
    error: str
    created_after: datetime | str
    created_before: datetime | str
    before: int


@dataclass(frozen=True)
class JobEvent:
    """Something that happened to a job, and the job after it; `id` is from where a stream goes on.

    Values over 16 KB are left out and named in `job.cut`. A kind that only a newer API knows is a text.
    """

    id: str
    kind: EventKind | str
    job: Job


def submit(pipeline: str, options: JobOptions, *, key: str | None) -> Request:
    """`POST /jobs`, with a key of its own where none is given, so that it can be sent again."""
    body = {"pipeline": pipeline, **options}
    return exchange.post(PATH, body, headers={"Idempotency-Key": key if key is not None else uuid4().hex})


def submit_many(jobs: Iterable[NewJob]) -> Request:
    """`POST /jobs/batch`."""
    return exchange.post(f"{PATH}/batch", {"jobs": list(jobs)})


def get(job_id: int, *, events_before: int | None = None) -> Request:
    """`GET /jobs/{id}`."""
    return exchange.get(_path(job_id), {"events_before": events_before})


def find(filters: JobFilters, *, limit: int | None) -> Request:
    """The first page of `GET /jobs`."""
    named = {
        name: [_as_text(each) for each in value] if name.startswith(PARAM) else value
        for name, value in _named(filters).items()
    }
    return exchange.get(PATH, {**named, "limit": exchange.page(limit, most=PAGE)})


def act(action: Action | str, filters: JobFilters, *, limit: int) -> Request:
    """`POST /jobs/actions`."""
    return exchange.post(f"{PATH}/actions", {"action": action, "filter": _named(filters), "limit": limit})


def _as_text(value: Any) -> str:
    """The value of a parameter as the API's query has it: what JSON says of it, and a text as it is.

    Raises `Unusable` for NaN, which no job has, but a job may have the text.
    """
    plain = value if value is None or isinstance(value, str | int | float) else form(value)
    try:
        return plain if isinstance(plain, str) else json.dumps(plain, allow_nan=False)
    except ValueError as error:
        raise Unusable(f"param: {plain!r:.100} is not JSON: {error}.") from None


def _named(filters: JobFilters) -> dict[str, Any]:
    """The filters under the API's names, as JSON.

    Raises `Unusable` for one that is none or names none, and for a time without a zone.
    """
    if unknown := [name for name in filters if name not in JobFilters.__annotations__]:
        # The API takes no notice of a parameter that it does not know, and would find all jobs.
        raise Unusable(f"There is no filter {unknown[0]!r}; there are {', '.join(JobFilters.__annotations__)}.")
    given: dict[str, Any] = {name: value for name, value in filters.items() if name != "param" and value is not None}
    for name, value in given.items():
        if isinstance(value, datetime):
            if value.tzinfo is None:
                raise Unusable(f"{name} has no time zone.")
            given[name] = value.isoformat()
        elif isinstance(value, Sequence) and not isinstance(value, str):
            given[name] = list(value)
    for name, value in filters.get("param", {}).items():
        given[f"{PARAM}{name}"] = list(value) if isinstance(value, list | tuple) else [value]
    if empty := [name for name, value in given.items() if isinstance(value, list | set) and not value]:
        # A query would leave it out, and find all jobs.
        raise Unusable(f"{empty[0]} names none; leave it out where any will do.")
    return given


def cancel(job_id: int) -> Request:
    """`POST /jobs/{id}/cancel`."""
    return exchange.post(f"{_path(job_id)}/cancel")


def retry(job_id: int, *, from_step: int | None, params: BaseModel | Mapping[str, Any] | None, replan: bool) -> Request:
    """`POST /jobs/{id}/retry`."""
    given = {"from_step": from_step, "params": params, "replan": replan or None}
    return exchange.post(f"{_path(job_id)}/retry", {name: each for name, each in given.items() if each is not None})


def delete(job_id: int) -> Request:
    """`DELETE /jobs/{id}`."""
    return Request("DELETE", _path(job_id))


def events_path(job_id: int | None) -> str:
    """Where the events of a job are, or those of all."""
    return "/events" if job_id is None else f"{_path(job_id)}/events"


def told(kind: TypeAdapter[Told], content: bytes | str) -> Told:
    """What an answer says. Raises `NotTheApi` where that is something else; what only a newer API says is left out."""
    try:
        return kind.validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise NotTheApi(f"What has answered is not the API, or another release: {where}: {first['msg']}.") from None


def event(event: ServerEvent) -> JobEvent:
    """An event with its job."""
    job = told(JOB, event.data)
    try:
        return JobEvent(event.id or "", EventKind(event.kind), job)
    except ValueError:
        return JobEvent(event.id or "", event.kind, job)


def has_ended(event: ServerEvent) -> bool:
    """Whether the job has ended with it."""
    try:
        return json.loads(event.data)["status"] in ENDED
    except (ValueError, TypeError, KeyError):
        raise NotTheApi("What has answered is not the API.") from None


def _path(job_id: int) -> str:
    return f"{PATH}/{exchange.quoted(str(job_id))}"


def too_late(job_id: int, timeout: float | None) -> WaitTimeout:
    """The error for a job that has not ended in time."""
    return WaitTimeout(f"Job {job_id} has not ended within {timeout:g} s.")
