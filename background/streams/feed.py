"""One feed for all streams of a process: PostgreSQL wakes it, it reads what is new once, and hands it on.

It works only while somebody listens, and lives in the event loop; what blocks runs in a thread.
"""

import asyncio
import contextlib
import logging
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping

import psycopg2
from sqlalchemy.exc import SQLAlchemyError

from background import database
from background.errors import Unavailable
from background.streams import documents, queries
from background.streams.documents import Document, Subject
from background.streams.listener import listening
from background.streams.queries import JOBS, RUNS, Event, Position
from background.streams.subscription import Subscription, message_of

logger = logging.getLogger(__name__)

PAGE = 500
PAUSE_SECONDS = 0.05
"""Between two readings, so that many small transactions are read together."""
FALLBACK_SECONDS = 5.0
"""It looks this often even without a notification."""
START_SECONDS = 4.0

Numbered = dict[tuple[str, int], list[tuple[int, str]]]


class Feed:
    """The subscriptions of this process, and the task that serves them."""

    def __init__(self) -> None:
        self._subscriptions: set[Subscription] = set()
        self._positions: dict[str, Position] = {}
        self._started = asyncio.Event()
        self._between_readings = asyncio.Lock()
        self._reading: asyncio.Task[None] | None = None
        self._closed = False

    async def subscribe(self, subject: Subject | None, *, after: Position | None = None) -> Subscription:
        """What happens from now on reaches the subscription; of all jobs, only what follows `after`.

        Raises `Unavailable`.
        """
        if self._closed:
            raise Unavailable("This process is stopping.")
        subscription = Subscription(subject, after=after)
        try:
            async with asyncio.timeout(START_SECONDS):
                async with self._between_readings:
                    self._subscriptions.add(subscription)
                    if self._positions:
                        subscription.begin(self._positions[JOBS])
                    if self._reading is None:
                        self._reading = asyncio.create_task(self._keep_reading())
                await self._started.wait()
        except TimeoutError as error:
            self.unsubscribe(subscription)
            raise Unavailable("PostgreSQL cannot be reached or does not answer.") from error
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """The client has gone."""
        self._subscriptions.discard(subscription)

    def close(self) -> None:
        """End all streams; nobody can subscribe any more."""
        self._closed = True
        self._end_all()
        if self._reading is not None:
            self._reading.cancel()

    async def missed(self, position: Position, *, until: Position) -> AsyncIterator[bytes]:
        """The messages of all jobs behind `position`, up to and with `until`. Raises `Unavailable`."""
        while position < until:
            events = [event for event in await asyncio.to_thread(_jobs_after, position) if event.position <= until]
            found = await asyncio.to_thread(documents.load, {documents.job(event.position.owner) for event in events})
            for event in events:
                if document := found.get(documents.job(event.position.owner)):
                    yield message_of(event, document)
            position = events[-1].position if len(events) == PAGE else until

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
            self._positions = {}
            self._started.clear()
            self._end_all()

    async def _listen_and_read(self) -> None:
        woken = asyncio.Event()
        async with listening(woken.set):
            if not self._positions:
                start = await asyncio.to_thread(_horizon)
                self._positions = {JOBS: start, RUNS: start}
                for subscription in self._subscriptions:
                    subscription.begin(start)
                self._started.set()
            woken.set()
            while self._subscriptions:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(woken.wait(), FALLBACK_SECONDS)
                woken.clear()
                began = time.monotonic()
                async with self._between_readings:
                    if await self._read_once():
                        woken.set()
                await asyncio.sleep(max(PAUSE_SECONDS, 2 * (time.monotonic() - began)))

    async def _read_once(self) -> bool:
        """Hand on what is new; gives whether there is more already."""
        (jobs, runs), more = await asyncio.to_thread(_read, self._positions)
        changed = {(JOBS, event.position.owner) for event in jobs} | {(RUNS, event.position.owner) for event in runs}
        watched = {
            subscription: subscription.subject
            for subscription in self._subscriptions
            if subscription.subject and (subscription.subject.log, subscription.subject.owner) in changed
        }
        of_all = [subscription for subscription in self._subscriptions if subscription.subject is None]
        subjects = set(watched.values()) | {documents.job(event.position.owner) for event in jobs if of_all}
        if subjects:
            seen: dict[tuple[str, int], int] = {}
            for subscription, subject in watched.items():
                key = subject.log, subject.owner
                seen[key] = min(subscription.number, seen.get(key, subscription.number))
            numbered, found = await asyncio.to_thread(_load, seen, subjects)
            for subscription, subject in watched.items():
                if document := found.get(subject):
                    subscription.put_numbered(numbered[subject.log, subject.owner], document)
            for event in jobs:
                if document := found.get(documents.job(event.position.owner)):
                    for subscription in of_all:
                        subscription.put_event(event, document)
        self._positions |= {log: events[-1].position for log, events in ((JOBS, jobs), (RUNS, runs)) if events}
        return more


def _horizon() -> Position:
    with database.transaction() as connection:
        return queries.horizon(connection)


def _jobs_after(position: Position) -> list[Event]:
    with database.transaction() as connection:
        return queries.after(connection, JOBS, position, limit=PAGE)[0]


def _read(positions: Mapping[str, Position]) -> tuple[tuple[list[Event], list[Event]], bool]:
    """What is new of jobs and of runs, and whether there is more, or will be without another notification."""
    with database.transaction() as connection:
        jobs, more_jobs = queries.after(connection, JOBS, positions[JOBS], limit=PAGE)
        runs, more_runs = queries.after(connection, RUNS, positions[RUNS], limit=PAGE)
    return (jobs, runs), more_jobs or more_runs


def _load(seen: Mapping[tuple[str, int], int], subjects: set[Subject]) -> tuple[Numbered, dict[Subject, Document]]:
    """Events first: a document must not be older than the event it goes with."""
    numbers: dict[str, dict[int, int]] = defaultdict(dict)
    for (log, owner), number in seen.items():
        numbers[log][owner] = number
    found: Numbered = {}
    with database.transaction() as connection:
        for log, last in numbers.items():
            found |= {(log, owner): events for owner, events in queries.numbered(connection, log, last).items()}
    return found, documents.load(subjects)
