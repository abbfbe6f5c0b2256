"""Which Celery to use: a restart of Redis must not end a worker that holds an unacknowledged message.

Celery 5.7.0 fails this (AttributeError in the consumer, exit code 1); 5.6.3 does not.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import httpx2 as httpx
import pytest
from celery.result import AsyncResult

from background.celery import celery_app
from background.local.valkey import EmbeddedValkey
from background.task_names import TaskName
from tests.acceptance.test_jobs import ended, submit
from tests.support import running_worker, wait_for


def has_started(task: AsyncResult[object]) -> bool:
    """Whether a worker is at it."""
    return str(task.state) == "STARTED"


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_a_worker_outlives_restarts_of_redis(
    client: httpx.Client, valkey: EmbeddedValkey, tmp_path: Path, pool: str
) -> None:
    with running_worker(tmp_path / "one.log", f"--pool={pool}", "--concurrency=2") as worker:
        for _ in range(3):
            task = celery_app.send_task(TaskName.SLEEP, [2.5])
            wait_for(partial(has_started, task), what="the start of the task")
            valkey.kill()
            valkey.start()
            valkey.wait_ready()
            job = ended(client, submit(client, params={"step_seconds": 0}))
            assert job["status"] == "COMPLETED"
            worker.wait_for_line(f"{task.id}] succeeded")
        assert worker.popen.poll() is None
        worker.popen.terminate()
        assert worker.popen.wait(10) == os.EX_OK
