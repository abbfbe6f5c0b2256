"""`GET /` and `GET /ready`: does the process live, and does what it needs answer?"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel

from background import broker, database
from background.errors import Unavailable
from background.requests import StorableJSONRoute

router = APIRouter(tags=["system"], route_class=StorableJSONRoute)


class Alive(BaseModel):
    """The answer of `GET /`."""

    status: Literal["ok"] = "ok"


class Readiness(BaseModel):
    """The answer of `GET /ready`: each part is `ok`, or says in a sentence what is wrong."""

    status: Literal["ok", "unavailable"]
    database: str
    broker: str


@router.get("/")
def alive() -> Alive:
    """The process lives."""
    return Alive()


@router.get("/ready", responses={503: {"model": Readiness, "description": "A part does not answer"}})
def ready(response: Response) -> Readiness:
    """200 when PostgreSQL (with its schema) and the broker answer and take what is written, else 503."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        database_state, broker_state = pool.map(_state_of, (database.require_database, broker.require_broker))
    good = database_state == broker_state == "ok"
    if not good:
        response.status_code = 503
    return Readiness(status="ok" if good else "unavailable", database=database_state, broker=broker_state)


def _state_of(ask: Callable[[], None]) -> str:
    try:
        ask()
    except Unavailable as error:
        return str(error)
    return "ok"
