"""The one task that runs jobs. Its outcome lives in `jobs`, so its Celery result is ignored."""

import os
import socket
from contextlib import suppress
from typing import Any
from uuid import uuid4

from celery import Task
from celery.signals import worker_ready, worker_shutdown

from background.celery import celery_app
from background.errors import Unavailable
from background.jobs import recovery, runner
from background.jobs.planned_stop import PlannedStop
from background.task_names import TaskName
from background.workers.queries import Identity

WORKER_ID = str(uuid4())
"""This worker's identity: new at each start, whatever its node name. Forked children share it."""


POOLS = {"thread": "threads"}
"""Celery's name of a pool where its module is called otherwise."""

_recovery = recovery.Recovery(worker_id=WORKER_ID)
_planned_stop = PlannedStop(worker_id=WORKER_ID, leave=_recovery.leave)


@worker_ready.connect
def _begin(sender: Any, **_: Any) -> None:
    """In the main thread of the worker's main process, whatever its pool; the sender is its consumer."""
    _planned_stop.install()
    module = type(sender.pool).__module__.rpartition(".")[2]
    _recovery.start(
        Identity(
            id=WORKER_ID,
            name=sender.hostname,
            host=socket.gethostname(),
            pid=os.getpid(),
            pool=POOLS.get(module, module),
            concurrency=sender.pool.num_processes,
        )
    )


@worker_shutdown.connect
def _end(**_: Any) -> None:
    _recovery.stop()
    with suppress(Unavailable):
        _recovery.leave()


@celery_app.task(name=TaskName.RUN_JOB, bind=True, ignore_result=True)
def run_job(self: "Task[Any, Any]", job_id: int) -> None:
    """Claim the job and run its steps, if there is anything to claim."""
    if _planned_stop.asked:
        return  # its message is spent; another worker's recovery publishes it again
    runner.run(job_id, worker=str(self.request.hostname), worker_id=WORKER_ID)
