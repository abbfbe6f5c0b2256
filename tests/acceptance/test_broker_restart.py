"""What a restart of Redis does: it must not end a worker, and what it forgets of canvases is found.

Celery 5.7.0 fails the first where a worker holds an unacknowledged message (AttributeError in the consumer, exit code
1); 5.6.3 does not.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx2 as httpx
import pytest
import redis
from sqlalchemy import text

from background.broker.queues import UNACKED_KEY
from background.celery import celery_app
from background.local.valkey import EmbeddedValkey
from background.settings import get_settings
from background.task_names import TaskName
from tests.acceptance.test_canvas import finished
from tests.acceptance.test_jobs import ended, submit
from tests.support import running_worker, transaction, wait_for


def is_at_work(client: httpx.Client, run: str) -> bool:
    """Whether the one task of this run has begun."""
    return bool(client.get(f"/result/{run}").json()["status"] == "STARTED")


@pytest.mark.parametrize("pool", ["prefork", "threads"])
def test_a_worker_outlives_restarts_of_redis(
    client: httpx.Client, valkey: EmbeddedValkey, tmp_path: Path, pool: str
) -> None:
    with running_worker(tmp_path / "one.log", f"--pool={pool}", "--concurrency=2") as worker:
        for _ in range(3):
            run = client.post("/canvas", json={"task": "sleep", "args": [2.5]}).json()["task_id"]
            # A slot has it: what waits for one in memory comes again, but only after the visibility timeout.
            wait_for(partial(is_at_work, client, run), what="a task at work")
            valkey.kill()
            valkey.start()
            valkey.wait_ready()
            job = ended(client, submit(client, params={"step_seconds": 0}))
            assert job["status"] == "COMPLETED"
            worker.wait_for_line(f"{run}] succeeded")
        assert worker.popen.poll() is None
        worker.popen.terminate()
        assert worker.popen.wait(10) == os.EX_OK


@contextlib.contextmanager
def forgotten(valkey: EmbeddedValkey) -> Iterator[None]:
    """Kill it after the block, with what it was told meanwhile not on the disk yet, and start it again.

    So a machine leaves it that loses its power: what is written is synced once a second (`appendfsync everysec`).
    """
    with redis.Redis.from_url(get_settings().broker_url) as broker:
        broker.config_set("appendfsync", "everysec")
        broker.set("before", 1)
        # Another write is not begun before those before it are in the file.
        wait_for(lambda: broker.waitaof(1, 0, 1000)[0] == 1, what="the disk")
    (log,) = (valkey.directory / "appendonlydir").glob("*.incr.aof")
    size = log.stat().st_size
    yield
    valkey.kill()
    assert log.stat().st_size > size
    os.truncate(log, size)
    valkey.start()
    valkey.wait_ready()
    with redis.Redis.from_url(get_settings().broker_url) as broker:
        assert broker.get("before") == b"1"


CHAIN = {"chain": [{"task": "add", "args": [1, 2]}, {"task": "echo", "queue": "elsewhere"}]}


def test_a_canvas_of_which_a_killed_redis_has_no_message_is_lost_until_it_is_retried(
    client: httpx.Client, valkey: EmbeddedValkey, tmp_path: Path
) -> None:
    client.post("/add", json={"x": 1, "y": 1}).raise_for_status()  # one that waits outlives it
    with forgotten(valkey):
        run = client.post("/canvas", json=CHAIN).json()["task_id"]
    with running_worker(tmp_path / "one.log", "--pool=solo", "-Qcelery,elsewhere", env={"LEASE_SECONDS": "3"}):
        lost = finished(client, run)
        assert (lost["status"], lost["error"]["type"], lost["reason"]["how"]) == ("FAILURE", "Lost", "unpublished")
        assert lost["verdict"].startswith("add was lost: the broker knows nothing of its message")
        assert client.post(f"/result/{run}/retry").status_code == 202
        assert finished(client, run)["result"] == 3
        waited = client.get("/runs?type=single").json()[0]["task_id"]
        assert finished(client, waited)["result"] == 2


def test_a_canvas_of_which_it_has_lost_the_next_message_is_lost_too(
    client: httpx.Client, valkey: EmbeddedValkey, tmp_path: Path
) -> None:
    """Its first task has ended, and the second waited in a queue, before 300 others that nobody takes."""
    with running_worker(tmp_path / "one.log", "--pool=solo", env={"LEASE_SECONDS": "3"}):
        finished(client, client.post("/add", json={"x": 1, "y": 1}).json()["task_id"])  # so the broker is known
        with forgotten(valkey):
            run = client.post("/canvas", json=CHAIN).json()["task_id"]
            wait_for(lambda: client.get(f"/result/{run}").json()["progress"]["completed"] == 1, what="the first")
            with redis.Redis.from_url(get_settings().broker_url) as broker:  # and it has sent the second
                wait_for(lambda: not broker.exists(UNACKED_KEY), what="the acknowledgement")
        for _ in range(300):
            celery_app.send_task(TaskName.ECHO, [1], queue="elsewhere", ignore_result=True)
        with transaction() as connection:  # which is long ago
            ago = "UPDATE runs SET updated_at = now() - interval '10 minutes' WHERE task_id = :run"
            connection.execute(text(ago), {"run": run})
        lost = finished(client, run)
    states = [(node["state"], (node["error"] or {}).get("type")) for node in lost["graph"]["nodes"]]
    assert (lost["status"], states) == ("FAILURE", [("SUCCESS", None), ("FAILURE", "Lost")])
    assert (lost["reason"]["how"], "neither in the queue" in lost["verdict"]) == ("broker", True)
