"""`/queues` and `PATCH /pipelines/{name}`: what waits and runs where, pauses, and limits that people set."""

import time
from typing import Annotated

from fastapi import APIRouter, Body, Path
from pydantic import BaseModel, Field, computed_field

from background.base.errors import Invalid, NotFound
from background.base.queue_names import QUEUE, QUEUE_RULE, is_queue
from background.base.strict import Strict
from background.http.problems import responses
from background.http.requests import StorableJSONRoute
from background.jobs import admission, dispatch, registry
from background.jobs.limits import MOST, MOST_SECONDS, PIPELINE, Control
from background.jobs.limits import QUEUE as OF_QUEUE
from background.jobs.sql import limits
from background.settings import get_settings
from background.storage import database
from background.workers import sql as workers

router = APIRouter(tags=["jobs"], route_class=StorableJSONRoute)

HOLD_SECONDS = 1.0
"""For so long an answer waits for what is being held back; the rest a claim holds back, one after the other."""
Name = Annotated[str, Path(min_length=1, max_length=100)]


class RateLimit(Strict):
    """So many jobs begin within any so many seconds."""

    count: int = Field(ge=1, le=MOST)
    seconds: float = Field(gt=0, le=MOST_SECONDS)


class QueueChange(Strict):
    """The body of `PATCH /queues/{name}`: what is left out stays as it is, and `null` removes a limit."""

    paused: bool | None = None
    concurrency: int | None = Field(None, ge=1, le=MOST)
    rate: RateLimit | None = None


class PipelineChange(Strict):
    """The body of `PATCH /pipelines/{name}`."""

    paused: bool


class QueueLimits(BaseModel):
    """What was set for a queue; `None`: no limit."""

    concurrency: int | None
    rate: RateLimit | None


class Queue(QueueLimits):
    """A queue: how many jobs are due and wait, and how many run, how many live workers serve it, and its limits.

    Those stand in `limits`, and beside it under the names by which they are set. `pipelines` are those of this release
    whose new jobs wait there.
    """

    name: str
    waiting: int
    running: int
    paused: bool
    workers: int
    pipelines: list[str]

    @computed_field
    def limits(self) -> QueueLimits:
        """The same as one value."""
        return QueueLimits(concurrency=self.concurrency, rate=self.rate)


class PipelineState(BaseModel):
    """The answer of `PATCH /pipelines/{name}`."""

    name: str
    paused: bool


@router.get("/queues", responses=responses())
def list_queues() -> list[Queue]:
    """Every queue that a pipeline names, a live worker serves, something was set for, or a job waits or runs in."""
    return _queues()


def _queues(*more: str) -> list[Queue]:
    """Those, and these."""
    with database.transaction() as connection:
        controls = limits.standing(connection, {}, used=False).controls
        loads = {each.queue: each for each in limits.loads(connection)}
        seen = workers.snapshot(connection, patience=get_settings().lease_seconds)
    pipelines: dict[str, list[str]] = {QUEUE: []}
    for each in registry.pipelines().values():
        pipelines.setdefault(each.queue, []).append(each.name)
    is_set = {name for (kind, name), control in controls.items() if kind == OF_QUEUE and control != Control()}

    def told(name: str) -> Queue:
        found = loads.get(name)
        control = controls.get((OF_QUEUE, name), Control())
        rate = None
        if control.rate_count is not None and control.rate_seconds is not None:
            rate = RateLimit(count=control.rate_count, seconds=control.rate_seconds)
        return Queue(
            name=name,
            waiting=found.waiting if found else 0,
            running=found.running if found else 0,
            paused=control.paused,
            concurrency=control.concurrency,
            rate=rate,
            workers=seen.of(name).workers,
            pipelines=pipelines.get(name, []),
        )

    return [told(name) for name in sorted({*pipelines, *seen.queues, *loads, *is_set, *more})]


@router.patch("/queues/{name}", responses=responses())
def change_queue(name: Name, change: Annotated[QueueChange, Body()]) -> Queue:
    """Pause or resume a queue at once, or set its limits; what runs goes on. Nobody has to serve it: see `workers`."""
    if not is_queue(name):
        raise Invalid(f"{QUEUE_RULE[0].upper()}{QUEUE_RULE[1:]}.", where=("path", "name"))
    changes: dict[str, tuple[float | None, ...] | None] = {}
    if "concurrency" in change.model_fields_set:
        changes["concurrency"] = (change.concurrency,)
    if "rate" in change.model_fields_set:
        changes["rate"] = None if change.rate is None else (change.rate.count, change.rate.seconds)
    with database.transaction() as connection:
        limits.change(connection, OF_QUEUE, name, paused=change.paused, changes=changes)
    if change.concurrency or change.rate:
        _hold(OF_QUEUE, name)
    admission.admit()
    found = next(each for each in _queues(name) if each.name == name)
    if not found.paused:
        dispatch.wake(found.waiting, queue=name)
    return found


# Its name may have slashes.
@router.patch("/pipelines/{name:path}", responses=responses(404))
def change_pipeline(name: Name, change: Annotated[PipelineChange, Body()]) -> PipelineState:
    """Pause or resume a pipeline at once: its waiting jobs wait, and what runs goes on."""
    if name not in registry.pipelines():
        raise NotFound(f"There is no pipeline {name!r}.", what="pipeline", id=name)
    with database.transaction() as connection:
        limits.change(connection, PIPELINE, name, paused=change.paused, changes={})
    if change.paused:
        _hold(PIPELINE, name)
    admission.admit()
    return PipelineState(name=name, paused=change.paused)


def _hold(kind: str, name: str) -> None:
    until, held = time.monotonic() + HOLD_SECONDS, 1
    while held and time.monotonic() < until:
        with database.transaction() as connection:
            held = limits.hold(connection, kind, name)
