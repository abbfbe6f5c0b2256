"""The one task that runs jobs. Its outcome lives in `jobs`, so its Celery result is ignored."""

from typing import Any
from uuid import uuid4

from celery import Task
from celery.signals import worker_ready, worker_shutdown

from background.celery import celery_app
from background.jobs import recovery, runner
from background.jobs.planned_stop import PlannedStop
from background.task_names import TaskName

WORKER_ID = str(uuid4())
"""This worker's identity: new at each start, whatever its node name. Forked children share it."""


_recovery = recovery.Recovery(worker_id=WORKER_ID)
_planned_stop = PlannedStop(worker_id=WORKER_ID)


@worker_ready.connect
def _begin(**_: Any) -> None:
    """In the main thread of the worker's main process, whatever its pool."""
    _planned_stop.install()
    _recovery.start()


@worker_shutdown.connect
def _end(**_: Any) -> None:
    _recovery.stop()


@celery_app.task(name=TaskName.RUN_JOB, bind=True, ignore_result=True)
def run_job(self: "Task[Any, Any]", job_id: int) -> None:
    """Claim the job and run its steps, if there is anything to claim."""
    if _planned_stop.asked:
        return  # its message is spent; another worker's recovery publishes it again
    runner.run(job_id, worker=str(self.request.hostname), worker_id=WORKER_ID)
