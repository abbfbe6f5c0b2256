"""Where Celery calls: a worker has started, begins a task in a child, or ends."""

import json
import os
import socket
import time
from contextlib import suppress
from typing import Any

from billiard import current_process
from celery.signals import celeryd_after_setup, task_prerun, worker_ready, worker_shutdown
from celery.worker.control import control_command

from background.base.errors import Unavailable
from background.celery import queue_of, serve
from background.jobs import crew, registry
from background.task_names import END_TASKS
from background.upkeep import hearing, history, rekeying, requests, scheduling
from background.upkeep.letting_go import Letting
from background.upkeep.loops import Upkeep
from background.upkeep.planned_stop import PlannedStop
from background.upkeep.retention import Retention
from background.workers.identity import WORKER_ID, Identity

# One that is declared wrong ends the process here, not in a handler below: Celery goes on after an error in those.
registry.pipelines()

CHORES = {
    "retention": Retention().work_off,
    "hearing": hearing.hear,
    "history": history.add_up,
    "schedules": scheduling.watch,
    "letting go": Letting(WORKER_ID).watch,
    "rekeying": rekeying.watch,
}
_upkeep = Upkeep(worker_id=WORKER_ID, chores=CHORES)
planned_stop = PlannedStop(worker_id=WORKER_ID, leave=_upkeep.leave)


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
    planned_stop.install(sender)
    _upkeep.start(
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
        planned_stop.protect_child()


@worker_shutdown.connect
def _end(**_: Any) -> None:
    # Celery waits for what holds a slot, and knows of nothing else; a planned stop hands the rest back.
    while crew.wake_ups():
        time.sleep(0.05)
    _upkeep.stop()
    with suppress(Unavailable):
        _upkeep.leave()


@control_command(name=END_TASKS, args=[("task_ids", list)])
def end_tasks(state: Any, task_ids: list[str]) -> None:
    """Kill what runs of these canvas tasks. Unlike Celery's own `revoke`, it lets them be retried under their ids."""
    pool = state.consumer.pool
    if pool_name(pool) == "prefork":  # a thread cannot be killed
        for request in requests.active():
            if request.id in task_ids:
                request.terminate(pool, signal="SIGTERM")
