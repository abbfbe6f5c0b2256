"""`GET /` and `GET /ready`: does the process live, and does what it needs answer? A browser at `/` gets the page."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel
from starlette.responses import RedirectResponse

from background.base.errors import Unavailable
from background.broker import server
from background.http.accept import prefers_html
from background.http.requests import StorableJSONRoute
from background.storage import database

PAGE = "/ui/"
BY_ACCEPT = {"Vary": "Accept"}

router = APIRouter(tags=["system"], route_class=StorableJSONRoute)
readiness = APIRouter(tags=["system"], route_class=StorableJSONRoute)


class Alive(BaseModel):
    """The answer of `GET /`."""

    status: Literal["ok"] = "ok"


class Readiness(BaseModel):
    """The answer of `GET /ready`: each part is `ok`, or says in a sentence what is wrong."""

    status: Literal["ok", "unavailable"]
    database: str
    broker: str


@router.get("/", responses={307: {"description": "To the web page, for a browser"}}, response_model=Alive)
async def alive(request: Request, response: Response) -> Alive | RedirectResponse:
    """The process lives. Whoever would rather have HTML than JSON, a browser, is led to the web page."""
    if getattr(request.app.state, "page", False) and prefers_html(request.headers):
        return RedirectResponse(f"{request.scope['root_path']}{PAGE}", headers=BY_ACCEPT)
    response.headers.update(BY_ACCEPT)
    return Alive()


@readiness.get("/ready", responses={503: {"model": Readiness, "description": "A part does not answer"}})
async def ready(response: Response) -> Readiness:
    """200 when PostgreSQL (with its schema) and the broker answer and take what is written, else 503."""
    database_state, broker_state = await _asking.states()
    good = database_state == broker_state == "ok"
    if not good:
        response.status_code = 503
    return Readiness(status="ok" if good else "unavailable", database=database_state, broker=broker_state)


class Asking:
    """The question to PostgreSQL and the broker, in threads of its own; all who ask meanwhile get the same answer."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="ready")
        self._running: asyncio.Task[list[str]] | None = None

    async def states(self) -> list[str]:
        """What is wrong with each, or `ok`."""
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._ask())
        return await asyncio.shield(self._running)

    async def _ask(self) -> list[str]:
        run = asyncio.get_running_loop().run_in_executor
        questions = (database.require_database, server.require_broker)
        return await asyncio.gather(*(run(self._threads, _state_of, each) for each in questions))


_asking = Asking()


def _state_of(ask: Callable[[], None]) -> str:
    try:
        ask()
    except Unavailable as error:
        return str(error)
    return "ok"
