"""The schedules of one API, for a program that waits for each answer and for one with an event loop."""

from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace
from typing import Any, TypedDict, Unpack

from pydantic import BaseModel, TypeAdapter

from background.client import exchange
from background.client.api import Api
from background.client.async_api import AsyncApi
from background.client.exchange import Request
from background.client.operations import CREATED, told
from background.jobs.schemas import JobCreated
from background.schedules.schemas import Schedule, ScheduleWithRuns

_PATH = "/schedules"
PAGE = 200
"""How many schedules are asked for at once."""

SCHEDULES = TypeAdapter(list[Schedule])
SCHEDULE = TypeAdapter(ScheduleWithRuns)


class ScheduleOptions(TypedDict, total=False):
    """What may be said of a new schedule beside its name and its pipeline: either `cron` or `every_seconds`.

    For what else is left out the API has defaults.
    """

    params: BaseModel | Mapping[str, Any]
    cron: str
    every_seconds: float
    timezone: str
    catch_up: bool
    paused: bool
    priority: int
    max_attempts: int
    tags: list[str]


class ScheduleChanges(ScheduleOptions, total=False):
    """What is to be otherwise; `cron` ends `every_seconds`, and the other way."""

    name: str
    pipeline: str


def _path(schedule_id: int) -> str:
    return f"{_PATH}/{exchange.quoted(str(schedule_id))}"


def _create(name: str, pipeline: str, options: ScheduleOptions) -> Request:
    return exchange.post(_PATH, {"name": name, "pipeline": pipeline, **options})


def _change(schedule_id: int, changes: ScheduleChanges) -> Request:
    # Done twice, it does no more than once.
    return replace(exchange.post(_path(schedule_id), changes), method="PATCH", repeatable=True)


def _find(pipeline: str | None, *, limit: int | None) -> Request:
    return exchange.get(_PATH, {"pipeline": pipeline, "limit": exchange.page(limit, most=PAGE)})


class Schedules:
    """The schedules of a `Client`; every method raises `ClientError`."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def create(self, name: str, pipeline: str, **options: Unpack[ScheduleOptions]) -> ScheduleWithRuns:
        """Have jobs made by a cron line or an interval. Raises `Invalid`, or `Conflict` where the name is taken."""
        return told(SCHEDULE, self._api.send(_create(name, pipeline, options)).content)

    def get(self, schedule_id: int) -> ScheduleWithRuns:
        """One schedule with its next five due times. Raises `NotFound`."""
        return told(SCHEDULE, self._api.send(exchange.get(_path(schedule_id))).content)

    def find(self, *, pipeline: str | None = None, limit: int | None = None) -> Iterator[Schedule]:
        """Schedules, of a pipeline or of all, oldest first, page after page as they are needed; at most `limit`."""
        request: Request | None = _find(pipeline, limit=limit)
        left = limit
        while request is not None and left != 0:
            answer = self._api.send(request)
            found = told(SCHEDULES, answer.content)[:left]
            yield from found
            left = None if left is None else left - len(found)
            request = exchange.next_page(_PATH, answer)

    def change(self, schedule_id: int, **changes: Unpack[ScheduleChanges]) -> ScheduleWithRuns:
        """Change what is given; one that stands in code can only be paused and resumed.

        Raises `NotFound`, `Conflict`, `Invalid`.
        """
        return told(SCHEDULE, self._api.send(_change(schedule_id, changes)).content)

    def delete(self, schedule_id: int) -> None:
        """Remove a schedule; the jobs that it has made stay. Raises `NotFound`, `Conflict`."""
        self._api.delete(_path(schedule_id))

    def run(self, schedule_id: int) -> JobCreated:
        """Make a job of it now, paused or not. Raises `NotFound`."""
        return told(CREATED, self._api.send(exchange.post(f"{_path(schedule_id)}/run")).content)


class AsyncSchedules:
    """The schedules of an `AsyncClient`; every method raises `ClientError`."""

    def __init__(self, api: AsyncApi) -> None:
        self._api = api

    async def create(self, name: str, pipeline: str, **options: Unpack[ScheduleOptions]) -> ScheduleWithRuns:
        """Have jobs made by a cron line or an interval. Raises `Invalid`, or `Conflict` where the name is taken."""
        return told(SCHEDULE, (await self._api.send(_create(name, pipeline, options))).content)

    async def get(self, schedule_id: int) -> ScheduleWithRuns:
        """One schedule with its next five due times. Raises `NotFound`."""
        return told(SCHEDULE, (await self._api.send(exchange.get(_path(schedule_id)))).content)

    async def find(self, *, pipeline: str | None = None, limit: int | None = None) -> AsyncIterator[Schedule]:
        """Schedules, of a pipeline or of all, oldest first, page after page as they are needed; at most `limit`."""
        request: Request | None = _find(pipeline, limit=limit)
        left = limit
        while request is not None and left != 0:
            answer = await self._api.send(request)
            found = told(SCHEDULES, answer.content)[:left]
            for each in found:
                yield each
            left = None if left is None else left - len(found)
            request = exchange.next_page(_PATH, answer)

    async def change(self, schedule_id: int, **changes: Unpack[ScheduleChanges]) -> ScheduleWithRuns:
        """Change what is given; one that stands in code can only be paused and resumed.

        Raises `NotFound`, `Conflict`, `Invalid`.
        """
        return told(SCHEDULE, (await self._api.send(_change(schedule_id, changes))).content)

    async def delete(self, schedule_id: int) -> None:
        """Remove a schedule; the jobs that it has made stay. Raises `NotFound`, `Conflict`."""
        await self._api.delete(_path(schedule_id))

    async def run(self, schedule_id: int) -> JobCreated:
        """Make a job of it now, paused or not. Raises `NotFound`."""
        return told(CREATED, (await self._api.send(exchange.post(f"{_path(schedule_id)}/run"))).content)
