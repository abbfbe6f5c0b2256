"""`GET /workers`, `GET /jobs/stats`, and why a job waits: what people look at when nothing seems to move."""

from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from sqlalchemy import text

from background.local.valkey import EmbeddedValkey
from tests.acceptance.test_canvas import start
from tests.acceptance.test_durability import in_step
from tests.acceptance.test_jobs import ended, submit
from tests.support import running_worker, transaction, wait_for

POOLS = pytest.mark.parametrize("pool", ["prefork", "threads", "solo"])


@pytest.fixture(autouse=True)
def _nothing_before(client: httpx.Client) -> None:
    with transaction() as connection:
        connection.execute(text("TRUNCATE jobs, runs, workers CASCADE"))


def workers(client: httpx.Client) -> dict[str, dict[str, Any]]:
    """The workers by the first part of their names."""
    return {worker["name"].partition("@")[0]: worker for worker in client.get("/workers").json()}


def waiting_for(client: httpx.Client, job_id: int) -> str:
    """Why the job waits, as its entry in the list says it."""
    return str(next(job for job in client.get("/jobs").json() if job["id"] == job_id)["waiting_for"])


def waits_for(client: httpx.Client, job_id: int, sentence: str) -> None:
    """Wait until that is the reason."""
    wait_for(lambda: sentence in waiting_for(client, job_id), what=f"{sentence!r} for job {job_id}")


@POOLS
def test_a_worker_says_who_it_is_and_what_it_runs(client: httpx.Client, tmp_path: Path, pool: str) -> None:
    with running_worker(tmp_path / "one.log", f"--pool={pool}", "--concurrency=1") as process:
        job_id = submit(client, params={"step_seconds": 30})
        wait_for(lambda: in_step(client, job_id, 1), what="step 1")
        found = wait_for(lambda: workers(client).get("one"), what="the worker")
        assert (found["status"], found["pool"], found["concurrency"]) == ("alive", pool, 1)
        assert found["pid"] == process.popen.pid
        assert [(work["type"], work["id"], work["name"], work["step"]) for work in found["running"]] == [
            ("job", job_id, "demo", 1)
        ]
        assert client.post(f"/jobs/{job_id}/cancel").status_code == 202
        ended(client, job_id)
        run = start(client, "/chain")
        wait_for(lambda: client.get(f"/result/{run['task_id']}").json()["status"] == "SUCCESS", what="the chain")
        assert workers(client)["one"]["running"] == []
    assert workers(client) == {}


def test_a_killed_worker_is_lost(client: httpx.Client, tmp_path: Path) -> None:
    with running_worker(tmp_path / "one.log") as process:
        before = wait_for(lambda: workers(client).get("one"), what="the worker")
        process.kill()
    with transaction() as connection:
        connection.execute(text("UPDATE workers SET seen_at = seen_at - interval '1 minute'"))
    after = workers(client)["one"]
    assert (after["status"], after["id"]) == ("lost", before["id"])


def test_why_a_job_waits(client: httpx.Client, valkey: EmbeddedValkey, tmp_path: Path) -> None:
    first = submit(client, params={"step_seconds": 0.1, "fail_at_step": 1, "fail_times": 3}, max_attempts=100)
    waits_for(client, first, "No worker is alive.")
    waits_for(client, submit(client, delay_seconds=60), "It is not due yet: it may begin in")
    with running_worker(tmp_path / "one.log", "--pool=threads", "--concurrency=1"):
        waits_for(client, first, "after an error: RuntimeError: Step 1 failed")
        blocker = submit(client, params={"step_seconds": 30})
        wait_for(lambda: in_step(client, blocker, 1), what="step 1 of the blocker")
        queued = [submit(client, params={"step_seconds": 0}) for _ in range(5)]
        waits_for(client, queued[-1], "It waits for a free worker: 1 alive.")
        valkey.stop()
        try:
            waits_for(client, queued[-1], "The broker is down")
        finally:
            valkey.start()
            valkey.wait_ready()
        client.post(f"/jobs/{blocker}/cancel")
        for job_id in queued:
            assert ended(client, job_id)["waiting_for"] is None


def test_statistics(client: httpx.Client, valkey: EmbeddedValkey, tmp_path: Path) -> None:
    with running_worker(tmp_path / "one.log"):
        for fails in (0, 0, 9):
            params = {"step_seconds": 0, "fail_at_step": 1, "fail_times": fails}
            ended(client, submit(client, params=params, max_attempts=1))
    # A worker that ends gives back what it has not acknowledged.
    left = client.get("/jobs/stats").json()["queue_depth"]
    waiting = [submit(client) for _ in range(2)]
    submit(client, delay_seconds=60)
    found = client.get("/jobs/stats").json()
    assert found["total"] == 6
    assert found["status"] == {"PENDING": 3, "IN_PROGRESS": 0, "COMPLETED": 2, "FAILED": 1, "CANCELLED": 0}
    assert found["pipelines"]["demo"] == found["status"]
    assert found["pipelines"]["document"]["PENDING"] == 0
    assert (found["waiting"], found["queue_depth"]) == (2, left + 2)
    assert found["oldest_waiting_seconds"] >= 0
    assert len(found["series"]) == 60
    recent = found["series"][-2:]
    assert [sum(minute[name] for minute in recent) for name in ("submitted", "completed", "failed")] == [6, 2, 1]
    ended_in = [minute for minute in recent if minute["completed"]]
    assert all(minute["mean_waiting_seconds"] >= 0 and minute["mean_running_seconds"] >= 0 for minute in ended_in)
    assert found["series"][0]["mean_running_seconds"] is None
    for job_id in waiting:
        client.post(f"/jobs/{job_id}/cancel")


def test_statistics_without_the_broker(client: httpx.Client, valkey: EmbeddedValkey) -> None:
    valkey.stop()
    try:
        answer = client.get("/jobs/stats")
    finally:
        valkey.start()
        valkey.wait_ready()
    assert (answer.status_code, answer.json()["queue_depth"]) == (200, None)
