"""The one task that runs jobs. Its outcome lives in `jobs`, so its Celery result is ignored."""

import json
import threading
from collections.abc import Mapping
from functools import cache
from typing import Any

from billiard.common import terminate_handler_fired  # type: ignore[attr-defined]
from celery import Task

from background.celery import celery_app, served
from background.intake.request import NamedRequest
from background.jobs import admission, dispatch, registry, runner
from background.jobs.crew import Crew
from background.jobs.slots import Desk, Slot
from background.jobs.sql.work import Worker
from background.settings import get_settings
from background.task_names import JOB_TASKS
from background.upkeep.hooks import planned_stop
from background.workers.identity import WORKER_ID


class JobTask(Task):  # type: ignore[type-arg]
    """What the task that runs jobs is for Celery."""

    abstract = True
    Request = NamedRequest  # type: ignore[assignment]  # a class is as good as its name
    # What becomes of jobs is no news of the message that woke a worker.
    send_events = False


@cache
def _desk(name: str) -> Desk:
    settings = get_settings()
    worker = Worker(
        name=name,
        id=WORKER_ID,
        release=registry.release(),
        abilities=json.dumps(registry.abilities()),
        queues=tuple(served()),
        limited=tuple(admission.declared()),
        lease=settings.lease_seconds,
        time_limit=settings.job_time_limit,
    )
    return Desk(worker)


@cache
def _crew(name: str) -> Crew:
    return Crew(_desk(name).end, wake=_wake_another, stopped=planned_stop.asked_by_now)


def _wake_another() -> None:
    for queue in served():
        dispatch.wake_another(queue)


def run_job(self: "Task[Any, Any]", *_: Any, **__: Any) -> None:
    """Woken up: run jobs until none is due. Messages of earlier releases name one; PostgreSQL knows which is next."""
    if planned_stop.asked:
        _hand_on(dict.fromkeys(served(), 1))
        return
    name = str(self.request.hostname)
    slot = Slot(
        _desk(name),
        wake_up=str(self.request.id),
        stopping=lambda: planned_stop.asked,
        stopped=planned_stop.asked_by_now,
        crew=None if threading.current_thread() is threading.main_thread() else _crew(name),
    )
    _hand_on(runner.work(slot, first=dispatch.wake_another))
    if terminate_handler_fired():
        raise SystemExit  # this child was told to end, which the step has failed of


def _hand_on(due: Mapping[str, int]) -> None:
    for queue, number in due.items():
        dispatch.hand_on(number, queue=queue)


for _name in JOB_TASKS:
    celery_app.task(name=_name, base=JobTask, bind=True, ignore_result=True)(run_job)
