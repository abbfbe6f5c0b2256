"""The endpoints of the event streams."""

import asyncio
import re
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, FastAPI, Header, Query, Request, Response

from background.base.errors import Invalid
from background.http import clients
from background.http.problems import responses
from background.http.requests import ProblemRoute
from background.jobs.filters import MAX_ID
from background.jobs.router import JobId
from background.settings import get_settings
from background.streams import subjects
from background.streams.feed import Feed, in_time
from background.streams.response import EventStream
from background.streams.sql import Position
from background.streams.subjects import Subject

jobs = APIRouter(tags=["streams"], route_class=ProblemRoute)
results = APIRouter(tags=["streams"], route_class=ProblemRoute)

CURSOR = re.compile(r"(\d{1,20})-(\d{1,19})-(\d{1,10})")
GRACE_SECONDS = 3.0
"""How long open responses may take after SIGTERM."""
LARGEST = Position(2**64 - 1, MAX_ID, 2**31 - 1)
STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Server-sent events; `data` is the JSON of a job or run",
        "content": {
            "text/event-stream": {
                "schema": {
                    "type": "object",
                    "properties": {name: {"type": "string"} for name in ("id", "event", "data")},
                }
            }
        },
    }
}
NO_MORE: dict[int | str, dict[str, Any]] = {204: {"description": "It has ended, and this was its last event"}}


def open_feed(app: FastAPI) -> Feed:
    """The feed of this application, made at its start, or by its first stream where that belongs to another one.

    uvicorn waits for open responses when it is told to stop, and streams have no end: so they hear of it first. A
    client that does not read would still keep it waiting; a second signal, as by an impatient Ctrl-C, ends that.
    """
    feed: Feed | None = getattr(app.state, "feed", None)
    if feed is None:
        feed = app.state.feed = Feed(max_streams=get_settings().max_streams)
        if threading.current_thread() is threading.main_thread():
            _close_when_stopped(feed)
    return feed


def _close_when_stopped(feed: Feed) -> None:
    loop = asyncio.get_running_loop()
    handlers: dict[int, Callable[[int, FrameType | None], Any]] = {}
    for number in (signal.SIGTERM, signal.SIGINT):
        if callable(before := signal.getsignal(number)):
            handlers[number] = before

    def stop(number: int, frame: FrameType | None) -> None:
        handlers[number](number, frame)
        loop.call_soon_threadsafe(feed.close)
        if signal.SIGINT in handlers:
            loop.call_soon_threadsafe(loop.call_later, GRACE_SECONDS, handlers[signal.SIGINT], signal.SIGINT, None)

    for each in handlers:
        signal.signal(each, stop)


async def feed_of(request: Request) -> Feed:
    """The feed of the application that answers."""
    return open_feed(request.app)


async def last_seen(
    last_event_id: Annotated[str | None, Header()] = None,
    last_event_id_query: Annotated[str | None, Query(alias="last_event_id")] = None,
) -> str | None:
    """What the client has got last. The header is newer: a browser sends it when it connects again to the same URL."""
    return last_event_id or last_event_id_query or None


async def client_of(request: Request) -> str:
    """Whose stream it is."""
    return clients.client_of(request.scope)


FeedOfProcess = Annotated[Feed, Depends(feed_of)]
Client = Annotated[str, Depends(client_of)]
LastSeen = Annotated[str | None, Depends(last_seen)]


@jobs.get("/jobs/{job_id}/events", response_class=Response, responses={**STREAM, **NO_MORE, **responses(404)})
async def job_events(job_id: JobId, feed: FeedOfProcess, client: Client, last: LastSeen) -> Response:
    """What happens to one job: its present state, or all that follows `Last-Event-ID`; ends with the job."""
    return await _follow(subjects.job(job_id), feed, client, last)


@results.get("/result/{task_id}/events", response_class=Response, responses={**STREAM, **NO_MORE, **responses(404)})
async def result_events(task_id: UUID, feed: FeedOfProcess, client: Client, last: LastSeen) -> Response:
    """What happens to what `GET /result/{task_id}` tells of; it ends with the run or job that the id belongs to."""
    return await _follow(await in_time(subjects.outcome, task_id), feed, client, last)


@jobs.get("/events", response_class=Response, responses={**STREAM, **responses()})
async def all_events(feed: FeedOfProcess, client: Client, last: LastSeen) -> Response:
    """What happens to all jobs, from now on or from what follows the cursor `Last-Event-ID`; without end.

    It begins with a block that only has an `id`: the cursor of its beginning.
    """
    return EventStream(feed, await feed.follow_all(None if last is None else _position_of(last), client=client))


async def _follow(subject: Subject, feed: Feed, client: str, last: str | None) -> Response:
    subscription = await feed.follow(subject, None if last is None else _number_of(last), client=client)
    return Response(status_code=204) if subscription is None else EventStream(feed, subscription)


def _number_of(last: str) -> int:
    if not re.fullmatch(r"0|[1-9]\d{0,9}", last, re.ASCII) or int(last) > LARGEST.number:
        raise Invalid("Last-Event-ID must be the number of an event.", where=("header", "last-event-id"))
    return int(last)


def _position_of(last: str) -> Position:
    found = CURSOR.fullmatch(last)
    position = Position(*map(int, found.groups())) if found and last.isascii() else None
    if position is None or any(each > largest for each, largest in zip(position, LARGEST, strict=True)):
        raise Invalid("Last-Event-ID must be the id of an event of this stream.", where=("header", "last-event-id"))
    return position
