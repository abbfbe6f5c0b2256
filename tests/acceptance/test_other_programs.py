"""A program that knows nothing of this one but a task's name and a job's id."""

from typing import Any

import pytest
from celery import Celery

from background.local.valkey import EmbeddedValkey
from tests.acceptance.chaos.node import PASSWORD
from tests.acceptance.chaos.stack import LEASE_SECONDS, Stack
from tests.acceptance.test_durability import kinds
from tests.acceptance.test_jobs import ended, submit


def send(valkey: EmbeddedValkey, **options: Any) -> None:
    """As a producer of its own, under the name of its own."""
    with Celery(broker=f"redis://:{PASSWORD}@127.0.0.1:{valkey.port}/0") as producer:
        producer.send_task("tasks.process_job", **options)


@pytest.mark.parametrize("pool", ["solo", "threads", "prefork"])
def test_a_job_is_run_by_its_other_name(stack: Stack, pool: str) -> None:
    """Nobody else publishes it, and its lease is renewed as any."""
    client = stack.add_api()
    params = {"step_seconds": LEASE_SECONDS / 2}
    jobs = [submit(client, params=params), submit(client, params=params)]
    stack.flush()
    (worker,) = stack.add_workers("other", seams=["no_redispatch"], options=(f"--pool={pool}", "--concurrency=2"))
    nonsense = ["7; DROP TABLE jobs", 10**30, -1, True, None]
    for job_id in nonsense:
        send(stack.valkey, args=[job_id], kwargs={"more": job_id})
    send(stack.valkey, args=[jobs[0]])
    send(stack.valkey, kwargs={"job_id": jobs[1]})
    for job_id in jobs:
        job = ended(client, job_id)
        assert (job["status"], job["attempt"]) == ("COMPLETED", 1)
        assert kinds(job) == ["created", "started", "step_completed", "step_completed", "completed"]
    assert "Traceback" not in worker.log.read_text()
