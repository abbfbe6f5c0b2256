"""One feed for all streams of a process: PostgreSQL wakes it, it reads what is new once, and hands it on.

It works only while somebody listens, and lives in the event loop; what blocks runs in a thread.
"""

import asyncio
import contextlib
import contextvars
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ParamSpec, TypeVar
from uuid import uuid4

import psycopg2
from sqlalchemy.exc import SQLAlchemyError

from background.base.errors import Invalid, Unavailable
from background.http.limits import Shares
from background.storage import database
from background.streams import sql, subjects
from background.streams.listener import listening
from background.streams.sql import JOBS, RUNS, LogEntry, Position
from background.streams.subjects import State, Subject
from background.streams.subscription import Subscription

logger = logging.getLogger(__name__)

PAGE = 200
PAUSE_SECONDS = 0.05
"""Between two readings, so that many small transactions are read together."""
TURN = 50
"""How many clients are given what is new before requests have their turn."""
FALLBACK_SECONDS = 5.0
"""Seconds between two looks at the log, even without a notification."""
POLL_SECONDS = 1.0
"""Seconds between two looks where no notification can be heard."""
SIGN_IN_SECONDS = 5.0
START_SECONDS = 4.5

P = ParamSpec("P")
T = TypeVar("T")


class Feed:
    """The subscriptions of this process, and the task that serves them."""

    def __init__(self, *, max_streams: int) -> None:
        """`max_streams`: how many one client may have at once."""
        self._shares = Shares(max_streams)
        self._id = str(uuid4())
        self._subscriptions: set[Subscription] = set()
        # Up to where the log of all jobs is read, while somebody wants it.
        self._position: Position | None = None
        self._woken = asyncio.Event()
        self._reading: asyncio.Task[None] | None = None
        self._closed = False

    async def follow(self, subject: Subject, number: int | None, *, client: str) -> Subscription | None:
        """The subject as it is now, or with `number` all that follows this event of it; and then what happens to it.

        `None`: it has ended, and that was its last event. Raises `NotFound`, `TooMany`
        and `Unavailable`.
        """
        events, state = await in_time(subjects.since, subject, number)
        if number is not None and state.ended and number >= state.number:
            return None
        # A number that there is not yet is as good as the newest: nothing follows so far, and what comes then does.
        subscription = Subscription(subject, client=client, number=min(number or 0, state.number))
        subscription.put_numbered(events, state)
        self._add(subscription)
        return subscription

    async def follow_all(self, after: Position | None, *, client: str) -> Subscription:
        """What happens to all jobs from now on, or has happened since `after`.

        Raises `Invalid`, `TooMany` and `Unavailable`.
        """
        now, following = await in_time(_horizon)
        # Where nothing has been written since, the cursor that a stream begins with is that of the next transaction.
        if after is not None and after.xid > following:
            raise Invalid("Last-Event-ID is of another database.", where=("header", "last-event-id"))
        # What was read since `now` has been handed on without this one.
        missed = self._position is not None and self._position > now
        subscription = Subscription(None, client=client, position=after or now, behind=after is not None or missed)
        self._add(subscription)
        self._position = self._position or now
        return subscription

    async def catch_up(self, subscription: Subscription) -> None:
        """Give one that is behind, and has nothing to send, what it has missed, by pages. Raises `Unavailable`."""
        while subscription.behind and subscription.is_empty and not subscription.ended:
            reached = self._position
            news = await asyncio.to_thread(_read, subscription.position, {})
            _put(subscription, news.told)
            if not news.is_full and reached is not None:
                subscription.position = max(subscription.position, reached)
                # What was handed on to others meanwhile is on the next page.
                subscription.behind = self._position is not None and self._position > subscription.position

    def unsubscribe(self, subscription: Subscription) -> None:
        """The client has gone."""
        self._subscriptions.discard(subscription)
        self._shares.give_back(subscription.client)

    def close(self) -> None:
        """End all streams; nobody can subscribe any more."""
        self._closed = True
        self._end_all()
        if self._reading is not None:
            self._reading.cancel()

    def _add(self, subscription: Subscription) -> None:
        if self._closed:
            raise Unavailable("This process is stopping.")
        self._shares.take(subscription.client)
        self._subscriptions.add(subscription)
        # Something may have happened since its state was read.
        self._woken.set()
        if self._reading is None:
            # It works for all streams: not in the context of the request that came first.
            self._reading = asyncio.create_task(self._keep_reading(), context=contextvars.Context())

    def _end_all(self) -> None:
        for subscription in self._subscriptions:
            subscription.end()

    async def _keep_reading(self) -> None:
        try:
            while self._subscriptions:
                try:
                    await self._listen_and_read()
                except (Unavailable, SQLAlchemyError, psycopg2.Error) as error:
                    logger.warning("Event streams wait for PostgreSQL: %s", error)
                    await asyncio.sleep(1)
        finally:
            self._reading = None
            self._position = None
            self._end_all()

    async def _listen_and_read(self) -> None:
        signed_in = -SIGN_IN_SECONDS
        async with listening(self._woken.set) as lost:
            look_seconds = POLL_SECONDS if lost is None else FALLBACK_SECONDS
            # A transaction that began before this one signed in does not notify.
            asyncio.get_running_loop().call_later(1, self._woken.set)
            self._woken.set()
            while self._subscriptions:
                if lost is not None and time.monotonic() - signed_in >= SIGN_IN_SECONDS:
                    await asyncio.to_thread(_sign_in, self._id)
                    signed_in = time.monotonic()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(look_seconds):
                        await self._woken.wait()
                if lost is not None and lost.is_set():
                    raise Unavailable("the connection that tells of events was lost.")
                self._woken.clear()
                began = time.monotonic()
                if await self._read_once():
                    self._woken.set()
                await asyncio.sleep(max(PAUSE_SECONDS, 2 * (time.monotonic() - began)))

    async def _read_once(self) -> bool:
        """Hand on what is new; gives whether there is more, or will be without another notification."""
        watching = {each: each.subject for each in self._subscriptions if each.subject is not None}
        if len(watching) == len(self._subscriptions):
            self._position = None
        seen: dict[Subject, int] = {}
        for subscription, subject in watching.items():
            seen[subject] = min(subscription.number, seen.get(subject, subscription.number))
        news = await asyncio.to_thread(_read, self._position, seen)
        current = [each for each in self._subscriptions if each.subject is None and not each.behind]
        if news.events:
            # Whoever comes or has caught up from now on goes on behind these.
            self._position = news.events[-1].position
        # One that came meanwhile may not have seen what this reading began with.
        for turn, (subscription, subject) in enumerate(watching.items()):
            await _let_others_run(turn)
            events, state = news.numbered.get((subject.log, subject.owner), []), news.found.get(subject)
            if events and state is not None:
                subscription.put_numbered(events, state)
            elif events != []:
                subscription.end()
        told = news.told
        for turn, subscription in enumerate(current):
            await _let_others_run(turn)
            _put(subscription, told)
        return news.is_full or news.is_held_back


@dataclass(frozen=True)
class News:
    """What one reading found: events of all jobs, those of single owners (`None`: it is gone), and their states.

    `is_held_back`: there are events of all jobs that may not be handed out yet.
    """

    events: list[LogEntry]
    is_held_back: bool
    numbered: dict[tuple[str, int], list[tuple[int, str]] | None]
    found: dict[Subject, State]

    @property
    def is_full(self) -> bool:
        """Whether there may be more events of all jobs already."""
        return len(self.events) == PAGE

    @property
    def told(self) -> list[tuple[LogEntry, State | None]]:
        """The events with their states; a job that was deleted meanwhile has none."""
        return [(event, self.found.get(subjects.job(event.position.owner))) for event in self.events]


async def _let_others_run(turn: int) -> None:
    if turn % TURN == 0:
        await asyncio.sleep(0)


def _put(subscription: Subscription, told: Sequence[tuple[LogEntry, State | None]]) -> None:
    for event, state in told:
        if state is not None:
            subscription.put_event(event, state)
        subscription.position = max(subscription.position, event.position)


def _read(position: Position | None, seen: Mapping[Subject, int]) -> News:
    """A page of what follows `position` of all jobs, if any, and all that follows the number seen of each subject."""
    numbers: dict[str, dict[int, int]] = {JOBS: {}, RUNS: {}}
    for subject, number in seen.items():
        of_log = numbers[subject.log]
        of_log[subject.owner] = min(number, of_log.get(subject.owner, number))
    with database.transaction() as connection:
        events, is_held_back = ([], False) if position is None else sql.after(connection, position, limit=PAGE)
        numbered = {
            (log, owner): found
            for log, last in numbers.items()
            if last
            for owner, found in sql.numbered(connection, log, last).items()
        }
    # Events first: a state must not be older than the event it goes with.
    wanted = {subject for subject in seen if numbered.get((subject.log, subject.owner))}
    wanted |= {subjects.job(event.position.owner) for event in events}
    return News(events, is_held_back, numbered, subjects.load(wanted))


def _sign_in(listener: str) -> None:
    with database.transaction() as connection:
        sql.sign_in(connection, listener, seconds=4 * SIGN_IN_SECONDS)


def _horizon() -> tuple[Position, int]:
    with database.transaction() as connection:
        return sql.horizon(connection)


async def in_time(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What `function` gives, from a thread. Raises `Unavailable` when it takes too long, or no thread is free."""
    try:
        async with asyncio.timeout(START_SECONDS):
            return await asyncio.to_thread(function, *args, **kwargs)
    except TimeoutError as error:
        raise Unavailable("PostgreSQL cannot be reached or does not answer.", code="database_down") from error
