"""Many waiting jobs: their messages are few, all are run once, and the urgent are not held up."""

from pathlib import Path

import httpx2 as httpx
import pytest
import redis
from sqlalchemy import text

from background.broker.queues import queue_length
from background.local.valkey import EmbeddedValkey
from background.settings import get_settings
from tests.acceptance.test_durability import in_step
from tests.acceptance.test_jobs import ended, submit
from tests.support import running_worker, transaction, wait_for

QUICK = {"params": {"step_seconds": 0}}
BATCH = 1000
HOLD_SECONDS = 4.0
"""How long each of the three steps of the job ahead takes."""
MANY_THREADS = ("--pool=threads", "--concurrency=8")

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(autouse=True)
def empty(client: httpx.Client, valkey: EmbeddedValkey) -> None:
    """No job from another test waits, and no message."""
    with transaction() as connection:
        connection.execute(text("DISCARD PLANS"))  # a foreign key's plan from when there were no steps reads them all
        connection.execute(text("DELETE FROM jobs"))
    flush()


def flush() -> None:
    """Empty the broker."""
    with redis.Redis.from_url(get_settings().broker_url) as broker:
        broker.flushall()


def submit_many(client: httpx.Client, number: int) -> None:
    """Submit so many quick jobs, in batches."""
    for _ in range(number // BATCH):
        assert client.post("/jobs/batch", json={"jobs": [QUICK] * BATCH}).status_code == 201


def outcomes() -> dict[tuple[str, int], int]:
    """How many jobs there are for each status and number of attempts."""
    with transaction() as connection:
        rows = connection.execute(text("SELECT status, attempt, count(*) FROM jobs GROUP BY 1, 2"))
        return {(status, attempt): number for status, attempt, number in rows}


def wait_for_the_end(*, seconds: float) -> None:
    """Until no job waits or runs."""
    wait_for(
        lambda: not {"PENDING", "IN_PROGRESS"} & {status for status, _ in outcomes()}, seconds=seconds, what="the end"
    )


def test_three_thousand_jobs_wait_with_a_message_for_ten(client: httpx.Client, tmp_path: Path) -> None:
    with running_worker(tmp_path / "only.log", "--pool=solo"):
        busy = submit(client, params={"step_seconds": HOLD_SECONDS})
        wait_for(lambda: in_step(client, busy, 1), what="step 1")
        submit_many(client, 3000)
        longest = 0

        def over() -> bool:
            nonlocal longest
            longest = max(longest, queue_length())
            return bool(client.get(f"/jobs/{busy}").json()["status"] == "COMPLETED")

        wait_for(over, seconds=4 * HOLD_SECONDS, what="the end of the job ahead")
        assert 290 <= longest <= 310
        wait_for_the_end(seconds=120)
    assert outcomes() == {("COMPLETED", 1): 3001}


def test_ten_thousand_jobs_wait_for_a_worker_and_are_run_once(client: httpx.Client, tmp_path: Path) -> None:
    submit_many(client, 10_000)
    with running_worker(tmp_path / "late.log", *MANY_THREADS):
        wait_for_the_end(seconds=240)
    assert outcomes() == {("COMPLETED", 1): 10_000}


def test_a_thousand_jobs_outlive_an_emptied_broker(client: httpx.Client, tmp_path: Path) -> None:
    submit_many(client, 1000)
    assert queue_length() == 100
    flush()
    with running_worker(tmp_path / "late.log", *MANY_THREADS):
        wait_for_the_end(seconds=120)
        wait_for(lambda: queue_length() == 0, what="an empty queue")
    assert outcomes() == {("COMPLETED", 1): 1000}


def test_an_urgent_job_overtakes_all_that_wait(client: httpx.Client, tmp_path: Path) -> None:
    with running_worker(tmp_path / "only.log", "--pool=solo"):
        busy = submit(client, params={"step_seconds": 2})
        wait_for(lambda: in_step(client, busy, 1), what="step 1")
        assert client.post("/jobs/batch", json={"jobs": [QUICK] * 500}).status_code == 201
        urgent = submit(client, **QUICK, priority=9)
        assert client.get(f"/jobs/{busy}").json()["status"] == "IN_PROGRESS"
        ended(client, urgent)
        wait_for_the_end(seconds=60)
    with transaction() as connection:
        before = connection.execute(
            text("SELECT count(*) FROM jobs WHERE started_at < (SELECT started_at FROM jobs WHERE id = :urgent)"),
            {"urgent": urgent},
        ).scalar_one()
    assert before == 1  # the one that ran
