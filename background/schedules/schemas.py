"""What the endpoints of schedules take and give."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, Field, model_validator
from pydantic_core import PydanticCustomError

from background.base import times
from background.base.strict import Strict
from background.base.times import CRON_CHARACTERS, LEAST_SECONDS, MOST_SECONDS, Unusable
from background.jobs import schedule
from background.jobs.schemas import MAX_TAGS, JobRequest, Tag

TIMES = {"cron", "every_seconds", "timezone"}
JOB = {"pipeline", "params", "priority", "max_attempts", "tags"}
"""Fields that say when it is due, and those of the job that it makes."""


def _refused(error: Unusable) -> PydanticCustomError:
    return PydanticCustomError(error.code, "{error}", {"error": str(error)})


def _usable(read: Callable[[str], object]) -> AfterValidator:
    def check(value: str) -> str:
        try:
            read(value)
        except Unusable as error:
            raise _refused(error) from None
        return value

    return AfterValidator(check)


Name = Annotated[str, Field(min_length=1, max_length=100, pattern=r"\S")]
Cron = Annotated[str, Field(min_length=1, max_length=CRON_CHARACTERS, examples=["0 3 * * *"]), _usable(times.Cron)]
Seconds = Annotated[float, Field(ge=LEAST_SECONDS, le=MOST_SECONDS)]
Zone = Annotated[str, Field(min_length=1, max_length=100), _usable(times.zone_called)]
Pipeline = Annotated[str, Field(max_length=100)]
Priority = Annotated[int, Field(ge=0, le=9)]
Attempts = Annotated[int, Field(ge=1, le=100)]
Tags = Annotated[list[Tag], Field(max_length=MAX_TAGS)]


class ScheduleRequest(Strict):
    """The body of `POST /schedules`: either `cron`, by the clocks of `timezone`, or `every_seconds`.

    What the jobs are is said as in `POST /jobs`. Without `catch_up` one job stands for all due times that were missed.
    """

    name: Name
    pipeline: Pipeline
    params: dict[str, Any] = Field(default_factory=dict, examples=[{}])
    cron: Cron | None = None
    every_seconds: Seconds | None = None
    timezone: Zone = "UTC"
    catch_up: bool = False
    paused: bool = False
    priority: Priority = 0
    max_attempts: Attempts | None = None
    tags: Tags = Field(default_factory=list)

    @model_validator(mode="after")
    def _fires(self) -> Self:
        try:
            self.when()
        except Unusable as error:
            raise _refused(error) from None
        return self

    def when(self) -> schedule.Schedule:
        """When it is due. Raises `Unusable`."""
        return schedule.Schedule(self.cron, self.every_seconds, self.timezone)

    def job(self) -> JobRequest:
        """The job that it makes."""
        given = {name: value for name in JOB if (value := getattr(self, name)) is not None}
        return JobRequest(**given)


class ScheduleChange(Strict):
    """The body of `PATCH /schedules/{id}`: what is to be otherwise. `cron` ends `every_seconds`, and the other way."""

    name: Name | None = None
    pipeline: Pipeline | None = None
    params: dict[str, Any] | None = None
    cron: Cron | None = None
    every_seconds: Seconds | None = None
    timezone: Zone | None = None
    catch_up: bool | None = None
    paused: bool | None = None
    priority: Priority | None = None
    max_attempts: Attempts | None = None
    tags: Tags | None = None

    def over(self, present: dict[str, Any]) -> dict[str, Any]:
        """These fields, and for others the `present` ones."""
        given = {name: getattr(self, name) for name in self.model_fields_set}
        for one, other in (("cron", "every_seconds"), ("every_seconds", "cron")):
            if given.get(one) is not None:
                given.setdefault(other, None)
        return {**present, **given}


class Schedule(BaseModel):
    """A schedule. `declared`: it stands in a pipeline's code, and can only be paused here.

    `next_at` is when it is due next: `None` while it is paused, or where no time follows. `last_error` says why a due
    time made no job, or why none follows.
    """

    id: int
    name: str
    pipeline: str
    params: dict[str, Any]
    cron: str | None
    every_seconds: float | None
    timezone: str
    catch_up: bool
    paused: bool
    priority: int
    max_attempts: int
    tags: list[str]
    declared: bool
    next_at: datetime | None
    last_at: datetime | None
    last_job_id: int | None
    last_error: str | None
    created_at: datetime
    updated_at: datetime


class ScheduleWithRuns(Schedule):
    """A schedule with its next five due times, in UTC."""

    next_runs: list[datetime]
