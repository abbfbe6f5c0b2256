"""Who has waited for a thread, or for others, waits for PostgreSQL only as long as an answer may still take."""

import asyncio
import threading
import time

import pytest
from anyio.to_thread import current_default_thread_limiter
from starlette.concurrency import run_in_threadpool

from background import database
from background.errors import Unavailable
from background.requests import _in_thread


def left(seconds: float) -> float:
    """How long a transaction of so many seconds may take here."""
    with database.time_limit(seconds):
        found: float = database._limit.deadline - time.monotonic()
        return found


def test_what_one_has_waited_is_taken_off_but_for_a_little() -> None:
    assert 3.9 < left(4) <= 4
    with database.late(3):
        assert database.waited() == 3
        assert 0.9 < left(4) <= 1
        with database.late(100):
            assert 0.4 < left(4) <= database.LEAST_SECONDS
            assert 0 < left(0.1) <= 0.1
        assert database.waited() == 3
    assert database.waited() == 0


def test_the_wait_for_a_connection_is_part_of_it() -> None:
    lane = database.Lane("test", {}, most=1)
    assert lane._free.acquire()
    with database.late(100), pytest.raises(Unavailable, match="in use"), lane(seconds=4):
        pass


def test_so_is_the_wait_for_a_thread() -> None:
    async def ask() -> float:
        limiter = current_default_thread_limiter()
        before, limiter.total_tokens = limiter.total_tokens, 1
        busy, free = asyncio.Event(), threading.Event()
        loop = asyncio.get_running_loop()

        def hold() -> None:
            loop.call_soon_threadsafe(busy.set)
            free.wait(30)

        holding = asyncio.create_task(run_in_threadpool(hold))
        await busy.wait()
        asking = asyncio.create_task(_in_thread(database.waited)())
        await asyncio.sleep(0.2)
        free.set()
        await holding
        found: float = await asking
        limiter.total_tokens = before
        return found

    assert asyncio.run(ask()) >= 0.2
