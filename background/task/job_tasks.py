"""The one task that runs jobs. Its outcome lives in `jobs`, so its Celery result is ignored."""

import json
import os
import socket
from contextlib import suppress
from functools import cache
from typing import Any

from billiard import current_process
from billiard.common import terminate_handler_fired  # type: ignore[attr-defined]
from celery import Task
from celery.signals import celeryd_after_setup, task_prerun, worker_ready, worker_shutdown
from celery.worker import state as celery_state
from celery.worker.control import control_command

from background.canvas.recorder import NamedRequest
from background.celery import celery_app, queue_of, serve
from background.errors import Unavailable
from background.jobs import dispatch, recovery, registry, runner
from background.jobs.planned_stop import PlannedStop
from background.jobs.transitions import Worker
from background.retention.service import Retention
from background.settings import get_settings
from background.task_names import END_TASKS, JOB_TASKS
from background.workers.identity import WORKER_ID
from background.workers.queries import Identity

# One that is declared wrong ends the process here, not in a handler below: Celery goes on after an error in those.
registry.pipelines()

_recovery = recovery.Recovery(worker_id=WORKER_ID, chores={"retention": Retention().work_off})
_planned_stop = PlannedStop(worker_id=WORKER_ID, leave=_recovery.leave)


def pool_name(pool: Any) -> str:
    """What `--pool` calls it."""
    module = type(pool).__module__.rpartition(".")[2]
    return "threads" if module == "thread" else module


@celeryd_after_setup.connect
def _serve_release(instance: Any, **_: Any) -> None:
    serve(instance.app.amqp.queues, queue_of(registry.release()))


@worker_ready.connect
def _begin(sender: Any, **_: Any) -> None:
    """In the main thread of the worker's main process, whatever its pool; the sender is its consumer."""
    _planned_stop.install()
    _recovery.start(
        Identity(
            id=WORKER_ID,
            name=sender.hostname,
            host=socket.gethostname(),
            pid=os.getpid(),
            pool=pool_name(sender.pool),
            concurrency=sender.pool.num_processes,
            abilities=json.dumps(registry.abilities()),
            release=registry.release(),
        )
    )


@task_prerun.connect
def _protect(**_: Any) -> None:
    if current_process().name != "MainProcess":
        _planned_stop.protect_child()


@worker_shutdown.connect
def _end(**_: Any) -> None:
    _recovery.stop()
    with suppress(Unavailable):
        _recovery.leave()


@control_command(name=END_TASKS, args=[("task_ids", list)])
def end_tasks(state: Any, task_ids: list[str]) -> None:
    """Kill what runs of these canvas tasks. Unlike Celery's own `revoke`, it lets them be retried under their ids."""
    pool = state.consumer.pool
    if pool_name(pool) == "prefork":  # a thread cannot be killed
        for request in list(celery_state.active_requests):
            if request.id in task_ids:
                request.terminate(pool, signal="SIGTERM")


class JobTask(Task):  # type: ignore[type-arg]
    """What the task that runs jobs is for Celery."""

    abstract = True
    Request = NamedRequest  # type: ignore[assignment]  # a class is as good as its name
    # What becomes of jobs is no news of the message that woke a worker.
    send_events = False


@cache
def _desk(name: str) -> runner.Desk:
    settings = get_settings()
    worker = Worker(
        name=name,
        id=WORKER_ID,
        release=registry.release(),
        abilities=json.dumps(registry.abilities()),
        lease=settings.lease_seconds,
        time_limit=settings.job_time_limit,
    )
    return runner.Desk(worker)


def run_job(self: "Task[Any, Any]", *_: Any, **__: Any) -> None:
    """Woken up: run jobs until none is due. Messages of earlier releases name one; PostgreSQL knows which is next."""
    if _planned_stop.asked:
        dispatch.hand_on(1)
        return
    slot = runner.Slot(
        _desk(str(self.request.hostname)),
        wake_up=str(self.request.id),
        stopping=lambda: _planned_stop.asked,
        stopped=_planned_stop.asked_by_now,
    )
    dispatch.hand_on(runner.work(slot, first=dispatch.wake_another))
    if terminate_handler_fired():
        raise SystemExit  # this child was told to end, which the step has failed of


for _name in JOB_TASKS:
    celery_app.task(name=_name, base=JobTask, bind=True, ignore_result=True)(run_job)
