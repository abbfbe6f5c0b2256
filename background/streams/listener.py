"""A connection on which PostgreSQL tells this process that there are new events."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import psycopg2

from background.storage import database
from background.storage.connections import driver_of
from background.streams import sql

CONNECT_SECONDS = 4.0


@contextlib.asynccontextmanager
async def listening(wake: Callable[[], None]) -> AsyncIterator[asyncio.Event | None]:
    """`wake` is called in the event loop for each notification; the event is set, too, when the connection is lost.

    `None`: nothing can be heard, since a pooler is between. Raises `Unavailable` when PostgreSQL cannot be reached.
    """
    connection = await asyncio.to_thread(database.listen, sql.CHANNEL, seconds=CONNECT_SECONDS)
    if connection is None:
        yield None
        return
    driver = driver_of(connection)
    loop, descriptor, lost = asyncio.get_running_loop(), driver.fileno(), asyncio.Event()

    def heard() -> None:
        try:
            driver.poll()
            driver.notifies.clear()
        except psycopg2.Error:
            # At once: the number of a closed descriptor goes to the next client.
            loop.remove_reader(descriptor)
            lost.set()
        wake()

    loop.add_reader(descriptor, heard)
    try:
        yield lost
    finally:
        if not lost.is_set():
            loop.remove_reader(descriptor)
        connection.invalidate()
        connection.close()
