"""A step that takes too long is a failure, under every pool, and even where nothing can interrupt it."""

from pathlib import Path

import httpx2 as httpx
import psutil
import pytest

from tests.acceptance.test_durability import in_step, kinds
from tests.acceptance.test_jobs import ended, submit
from tests.support import Process, running_worker, wait_for

LIMIT = {"JOB_TIME_LIMIT": "1", "LEASE_SECONDS": "3"}
MESSAGE = "TimedOut: Step 1 took longer than the 1 s it may take."


@pytest.mark.parametrize("pool", ["prefork", "threads", "solo"])
def test_a_step_times_out_under(client: httpx.Client, tmp_path: Path, pool: str) -> None:
    with running_worker(tmp_path / "first.log", f"--pool={pool}", "--concurrency=1", env=LIMIT):
        job = ended(client, submit(client, params={"step_seconds": 20}, max_attempts=2))
        assert (job["status"], job["error"], job["attempt"]) == ("FAILED", MESSAGE, 2)
        assert job["cause"] == {"code": "timed_out", "step": 1, "seconds": 1}
        failures = [each for each in job["events"] if each["kind"] in ("step_failed", "failed")]
        assert [each["cause"] for each in failures] == [job["cause"], job["cause"]]
        assert all(each["cause"] is None for each in job["events"] if each not in failures)
        assert kinds(job) == ["created", "started", "step_failed", "started", "failed"]
        assert "in sleep" in job["steps"][0]["error"]
        assert ended(client, submit(client, params={"step_seconds": 0}))["status"] == "COMPLETED"


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_a_step_that_hears_nothing_is_written_off(client: httpx.Client, tmp_path: Path, pool: str) -> None:
    options = (f"--pool={pool}", "--concurrency=1")
    with running_worker(tmp_path / "deaf.log", *options, env=LIMIT, module="tests.acceptance.deaf_worker") as first:
        job_id = submit(client, params={"step_seconds": 15}, max_attempts=1)
        wait_for(lambda: in_step(client, job_id, 1), what="step 1")
        children = child_pids(first)
        job = ended(client, job_id)
        assert (job["status"], job["error"]) == ("FAILED", MESSAGE)
        if pool == "prefork":
            wait_for(lambda: not children & child_pids(first), what="the end of the child")


def child_pids(worker: Process) -> set[int]:
    """The processes of its pool."""
    return {child.pid for child in psutil.Process(worker.popen.pid).children()}
