"""Directed faults: what dies in the middle of a job, and what becomes of the job."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx2 as httpx
import psutil
import pytest
import redis

from background.broker.queues import queue_length
from background.local.valkey import EmbeddedValkey
from background.settings import get_settings
from tests.acceptance.test_jobs import ended, submit
from tests.support import Process, running_worker, wait_for

LEASE = {"LEASE_SECONDS": "2"}


@pytest.fixture
def first(client: httpx.Client, tmp_path: Path) -> Iterator[Process]:
    """A worker with a short lease and one child."""
    with running_worker(tmp_path / "first.log", "--pool=prefork", "--concurrency=1", env=LEASE) as process:
        yield process


def in_step(client: httpx.Client, job_id: int, step: int) -> bool:
    """Whether the job is in this step."""
    steps = client.get(f"/jobs/{job_id}").json()["steps"]
    return len(steps) == step and steps[-1]["status"] == "IN_PROGRESS"


def kinds(job: dict[str, list[dict[str, str]]]) -> list[str]:
    """The job's history without progress."""
    return [event["kind"] for event in job["events"] if event["kind"] != "progress"]


def test_a_failed_step_is_tried_again_after_a_pause(client: httpx.Client, first: Process) -> None:
    job = ended(client, submit(client, params={"step_seconds": 0, "fail_at_step": 2, "fail_times": 2}))
    assert (job["status"], job["attempt"], job["error"]) == ("COMPLETED", 3, None)
    assert kinds(job) == [
        "created", "started", "step_completed", "step_failed", "started", "step_failed", "started",
        "step_completed", "completed",
    ]  # fmt: skip
    assert [step["attempt"] for step in job["steps"]] == [1, 3, 3]


def test_failures_end_a_job_at_its_limit(client: httpx.Client, first: Process) -> None:
    body = {"params": {"step_seconds": 0, "fail_at_step": 1, "fail_times": 9}, "max_attempts": 2}
    job = ended(client, submit(client, **body))
    assert (job["status"], job["attempt"]) == ("FAILED", 2)
    assert job["error"].startswith("RuntimeError")


def test_a_killed_workers_job_goes_on_elsewhere(client: httpx.Client, first: Process, tmp_path: Path) -> None:
    job_id = submit(client, params={"step_seconds": 1})
    wait_for(lambda: in_step(client, job_id, 2), what="step 2")
    first.kill()
    with running_worker(tmp_path / "second.log", env=LEASE):
        job = ended(client, job_id)
    assert (job["status"], job["attempt"]) == ("COMPLETED", 2)
    assert [step["attempt"] for step in job["steps"]] == [1, 2, 2]
    assert job["worker"].startswith("second@")
    assert kinds(job).count("lost") == 1


def test_a_killed_childs_job_goes_on_under_the_same_worker(client: httpx.Client, first: Process) -> None:
    job_id = submit(client, params={"step_seconds": 1})
    wait_for(lambda: in_step(client, job_id, 1), what="step 1")
    for child in psutil.Process(first.popen.pid).children():
        os.kill(child.pid, signal.SIGKILL)
    job = ended(client, job_id)
    assert (job["status"], job["attempt"]) == ("COMPLETED", 2)
    assert kinds(job).count("lost") == 1


def test_a_worker_paused_past_its_lease_writes_nothing_more(
    client: httpx.Client, first: Process, tmp_path: Path
) -> None:
    job_id = submit(client, params={"step_seconds": 1})
    wait_for(lambda: in_step(client, job_id, 1), what="step 1")
    os.killpg(first.popen.pid, signal.SIGSTOP)
    with running_worker(tmp_path / "second.log", env=LEASE):
        job = ended(client, job_id)
        os.killpg(first.popen.pid, signal.SIGCONT)
        first.wait_for_line("no longer ours")
        assert client.get(f"/jobs/{job_id}").json() == job
    assert (job["status"], job["attempt"]) == ("COMPLETED", 2)
    assert [step["attempt"] for step in job["steps"]] == [2, 2, 2]


def test_jobs_outlive_an_emptied_broker(client: httpx.Client, valkey: EmbeddedValkey, tmp_path: Path) -> None:
    made = [submit(client, params={"step_seconds": 0}) for _ in range(50)]
    with redis.Redis.from_url(get_settings().broker_url) as broker:
        broker.flushall()
    with running_worker(tmp_path / "late.log"):
        assert {ended(client, job_id)["status"] for job_id in made} == {"COMPLETED"}
        wait_for(lambda: queue_length() == 0, what="an empty queue")


def test_jobs_taken_while_the_broker_was_away_are_run(
    client: httpx.Client, first: Process, valkey: EmbeddedValkey
) -> None:
    valkey.stop()
    try:
        made = [submit(client, params={"step_seconds": 0}) for _ in range(3)]
    finally:
        valkey.start()
        valkey.wait_ready()
    assert {ended(client, job_id)["status"] for job_id in made} == {"COMPLETED"}


def test_a_backlog_does_not_multiply_its_messages(client: httpx.Client, first: Process) -> None:
    busy = submit(client, params={"step_seconds": 2})
    made = [submit(client, params={"step_seconds": 0}) for _ in range(100)]
    longest = 0

    def watch() -> bool:
        nonlocal longest
        longest = max(longest, queue_length())
        return bool(client.get(f"/jobs/{busy}").json()["status"] == "COMPLETED")

    wait_for(watch, what="the end of the long job")
    assert longest <= len(made) + 5
    assert {ended(client, job_id)["attempt"] for job_id in made} == {1}


def test_nine_comes_first(client: httpx.Client, tmp_path: Path) -> None:
    low = [submit(client, params={"step_seconds": 0}) for _ in range(20)]
    high = submit(client, params={"step_seconds": 0}, priority=9)
    middle = submit(client, params={"step_seconds": 0}, priority=5)
    with running_worker(tmp_path / "late.log", "--pool=solo"):
        started = {job_id: ended(client, job_id)["started_at"] for job_id in [*low, high, middle]}
    order = sorted(started, key=lambda job_id: started[job_id])
    assert order == [high, middle, *low]
