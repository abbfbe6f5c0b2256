"""`GET /workers`: who is alive, who was lost, and what each is doing."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel

from background.http.problems import responses
from background.http.requests import StorableJSONRoute
from background.settings import get_settings
from background.storage import database
from background.workers import sql

router = APIRouter(tags=["system"], route_class=StorableJSONRoute)


class Work(BaseModel):
    """One thing that a worker runs: a job, in `step`, or a task of a canvas, `since` then."""

    type: Literal["job", "task"]
    id: int | UUID
    name: str
    step: int | None
    since: datetime


class Worker(BaseModel):
    """One start of a worker. It is `lost` when it has not been seen for `LEASE_SECONDS`.

    `pipelines` has the steps that it can run by the names of their pipelines, and `release` is the digest of that;
    `queues` are those whose jobs it runs.
    """

    id: UUID
    name: str
    host: str
    pid: int
    pool: str
    concurrency: int
    status: Literal["alive", "lost"]
    started_at: datetime
    seen_at: datetime
    release: str | None
    queues: list[str]
    pipelines: dict[str, list[str]]
    running: list[Work]


@router.get("/workers", responses=responses())
def list_workers() -> list[Worker]:
    """Live workers, then those lost within the last hour. One that was stopped as planned is gone at once."""
    with database.transaction() as connection:
        workers = sql.find(connection, patience=get_settings().lease_seconds)
    return [
        Worker.model_validate(
            {
                **found._asdict(),
                "status": "alive" if found.alive else "lost",
                "pipelines": {name: has["steps"] for name, has in (found.abilities or {}).items()},
                "running": found.jobs + found.tasks,
            }
        )
        for found in workers
    ]
