"""Who has waited for a thread, or for others, waits for PostgreSQL only as long as an answer may still take."""

import asyncio
import socket
import time

import httpx2 as httpx
import psycopg2
import psycopg2.extensions
import pytest
from anyio.to_thread import current_default_thread_limiter
from fastapi import APIRouter, FastAPI
from starlette.concurrency import run_in_threadpool

from background.base.errors import Unavailable
from background.http.requests import StorableJSONRoute
from background.storage import deadlines, lanes
from tests.support import wait_for


def left(seconds: float) -> float:
    """How long a transaction of so many seconds may take here."""
    with deadlines.time_limit(seconds):
        found: float = deadlines._limit.deadline - time.monotonic()
        return found


def test_what_one_has_waited_is_taken_off_but_for_a_little() -> None:
    assert 3.9 < left(4) <= 4
    with deadlines.late(3):
        assert deadlines.waited() == 3
        assert 0.9 < left(4) <= 1
        with deadlines.late(100):
            assert 0.4 < left(4) <= deadlines.LEAST_SECONDS
            assert 0 < left(0.1) <= 0.1
        assert deadlines.waited() == 3
    assert deadlines.waited() == 0


def test_the_wait_for_a_connection_is_part_of_it() -> None:
    lane = lanes.Lane("test", {}, most=1)
    assert lane._free.acquire()
    with deadlines.late(100), pytest.raises(Unavailable, match="in use"), lane(seconds=4):
        pass


def test_so_is_the_wait_for_a_thread() -> None:
    async def ask() -> float:
        limiter = current_default_thread_limiter()
        before, limiter.total_tokens = limiter.total_tokens, 1
        busy = asyncio.Event()
        loop = asyncio.get_running_loop()

        def hold() -> None:
            loop.call_soon_threadsafe(busy.set)
            wait_for(lambda: limiter.statistics().tasks_waiting, what="somebody else who wants a thread")

        holding = asyncio.create_task(run_in_threadpool(hold))
        await busy.wait()
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            found: float = (await client.get("/included/waited")).json()
            await holding
        limiter.total_tokens = before
        return found

    app, router = FastAPI(), APIRouter(route_class=StorableJSONRoute)
    router.get("/waited")(deadlines.waited)
    app.include_router(router, prefix="/included")
    assert asyncio.run(ask()) > 0


def test_somebody_elses_time_to_connect_holds_here_too() -> None:
    """libpq leaves `connect_timeout` to whoever waits, and the wait is ours in every connection of the process."""
    psycopg2.extensions.set_wait_callback(deadlines.wait)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(psycopg2.OperationalError, match="in time"):
        psycopg2.connect(host="127.0.0.1", port=silent.getsockname()[1], user="any", connect_timeout=1)
