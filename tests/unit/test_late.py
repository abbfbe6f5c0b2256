"""Who has waited for a thread, or for others, waits for PostgreSQL only as long as an answer may still take."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from inspect import isasyncgenfunction, iscoroutinefunction, isroutine
from typing import Any

import httpx2 as httpx
import psycopg2
import psycopg2.extensions
import pytest
from anyio.to_thread import current_default_thread_limiter
from fastapi import APIRouter, FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.concurrency import run_in_threadpool

from background.app import create_app
from background.base.errors import Unavailable
from background.http.requests import StorableJSONRoute
from background.storage import database, deadlines, pools
from background.storage.turns import turn
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
            assert 0 < left(4) <= deadlines.LEAST_SECONDS
            assert 0 < left(0.1) <= 0.1
        assert deadlines.waited() == 3
    assert deadlines.waited() == 0


def test_the_wait_for_a_connection_is_part_of_it() -> None:
    pool = pools.Pool("test", {}, most=1)
    assert pool._free.acquire()
    with deadlines.late(100), pytest.raises(Unavailable, match="in use"), pool(seconds=4):
        pass


def test_so_it_is_in_a_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "places", lambda: threading.Semaphore(0))
    with deadlines.late(100), pytest.raises(Unavailable, match="in use"), database.transaction():
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


def test_no_other_wait_for_a_thread_goes_before() -> None:
    """FastAPI runs a dependency that is a plain function in a thread, and nobody counts the wait for that."""
    found = [context.original_route for context in iter_route_contexts(create_app().routes)]
    called = {call for route in found if isinstance(route, APIRoute) for call in dependencies(route.dependant)}
    assert called
    assert [call for call in called if not (iscoroutinefunction(call) or isasyncgenfunction(call))] == []


def dependencies(dependant: Dependant) -> Iterator[Any]:
    """The functions that it needs, and those that these need."""
    for each in dependant.dependencies:
        yield each.call if isroutine(each.call) else each.call.__call__  # type: ignore[operator]
        yield from dependencies(each)


def test_so_is_the_wait_for_a_turn() -> None:
    async def ask() -> float:
        async with turn("a job", 7, lock_seconds=1) as asked:
            return await deadlines.in_thread(deadlines.waited, since=asked - 2)

    assert asyncio.run(ask()) >= 2


def test_somebody_elses_time_to_connect_holds_here_too() -> None:
    """libpq leaves `connect_timeout` to whoever waits, and the wait is ours in every connection of the process."""
    psycopg2.extensions.set_wait_callback(deadlines.wait)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(psycopg2.OperationalError, match="in time"):
        psycopg2.connect(host="127.0.0.1", port=silent.getsockname()[1], user="any", connect_timeout=1)
