"""Whoever changes the same thing has a turn, and waits for it in memory.

Somebody's own transaction may have locked it, and go on for as long as it likes: all who waited for that in PostgreSQL
would hold a thread and a connection each, and with them whoever wants something else.
"""

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

from background.storage.connections import held_up

TURN_SECONDS = 2.5
"""How long one waits for one's turn. Whoever has it may wait for the thing itself after that, within 5 s altogether."""
_turns: WeakValueDictionary[Hashable, asyncio.Lock] = WeakValueDictionary()


@asynccontextmanager
async def turn(*thing: Hashable) -> AsyncIterator[None]:
    """A block that one coroutine is in at a time for the same thing. Raises `Unavailable`."""
    lock = _turns.setdefault((asyncio.get_running_loop(), *thing), asyncio.Lock())
    try:
        async with asyncio.timeout(TURN_SECONDS):
            await lock.acquire()
    except TimeoutError:
        raise held_up() from None
    try:
        yield
    finally:
        lock.release()
