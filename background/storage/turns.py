"""Whoever changes the same thing has a turn, and waits for it in memory.

Somebody's own transaction may have locked it, and go on for as long as it likes: all who waited for that in PostgreSQL
would hold a thread and a connection each, and with them whoever wants something else.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

from background.storage.connections import held_up
from background.storage.deadlines import ANSWER_SECONDS

REST_SECONDS = 0.25
"""What is left to whoever has waited for a turn and then for a lock, to hear what PostgreSQL says of that."""
_turns: WeakValueDictionary[Hashable, asyncio.Lock] = WeakValueDictionary()


@asynccontextmanager
async def turn(*thing: Hashable, lock_seconds: float) -> AsyncIterator[float]:
    """A block that one coroutine is in at a time for the same thing, and when it was asked for (`time.monotonic`).

    `lock_seconds` is how long statements in it wait for others. Raises `Unavailable`.
    """
    asked = time.monotonic()
    lock = _turns.setdefault((asyncio.get_running_loop(), *thing), asyncio.Lock())
    try:
        async with asyncio.timeout(ANSWER_SECONDS - lock_seconds - REST_SECONDS):
            await lock.acquire()
    except TimeoutError:
        raise held_up() from None
    try:
        yield asked
    finally:
        lock.release()
