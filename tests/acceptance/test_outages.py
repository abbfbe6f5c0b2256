"""PostgreSQL or the broker away, refusing or frozen: a clear answer in time, and all is well afterwards.

How long an answer may take is the client's timeout.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import httpx2 as httpx
import pytest

from background.local.postgres import EmbeddedPostgres
from background.local.valkey import EmbeddedValkey
from tests.acceptance.test_bad_input import assert_problem
from tests.acceptance.test_canvas import finished, start
from tests.acceptance.test_jobs import ended, submit
from tests.support import Process, wait_for

Outage = Callable[[EmbeddedPostgres | EmbeddedValkey], AbstractContextManager[None]]


@contextmanager
def stopped(server: EmbeddedPostgres | EmbeddedValkey) -> Iterator[None]:
    """The server is down for the block; its connections are refused."""
    server.stop()
    try:
        yield
    finally:
        server.start()
        server.wait_ready()


@contextmanager
def frozen(server: EmbeddedPostgres | EmbeddedValkey) -> Iterator[None]:
    """The server accepts, and never answers, for the block."""
    server.pause()
    try:
        yield
    finally:
        server.resume()
        server.wait_ready()


outages = pytest.mark.parametrize("outage", [stopped, frozen])


def is_ready(client: httpx.Client) -> bool:
    """Whether the API says that all is well."""
    return client.get("/ready").status_code == 200


def newest(client: httpx.Client, path: str) -> list[str]:
    """The id of the newest job or run, if there is any; what is said of it may change with time."""
    return [found["task_id"] for found in client.get(path, params={"limit": 1}).json()]


@outages
def test_postgresql_away(client: httpx.Client, worker: Process, postgres: EmbeddedPostgres, outage: Outage) -> None:
    before = newest(client, "/jobs")
    requests = [
        ("POST", "/jobs"), ("GET", "/jobs"), ("GET", "/jobs/1"), ("POST", "/chord"), ("GET", "/runs"),
        ("GET", "/result/7f2c1d9e-4c1b-4b43-9f44-1a7c6b3f0e11"),
    ]  # fmt: skip
    with outage(postgres):
        for method, path in requests:
            assert_problem(client.request(method, path, timeout=5), 503)
        readiness = client.get("/ready", timeout=5)
        assert (readiness.status_code, readiness.json()["broker"]) == (503, "ok")
        assert "PostgreSQL" in readiness.json()["database"]
        assert client.get("/", timeout=1).json() == {"status": "ok"}
    wait_for(lambda: is_ready(client), what="readiness")
    assert newest(client, "/jobs") == before
    assert ended(client, submit(client))["status"] == "COMPLETED"
    assert finished(client, start(client, "/chord")["task_id"])["successful"]


@outages
def test_the_broker_away(client: httpx.Client, worker: Process, valkey: EmbeddedValkey, outage: Outage) -> None:
    before = newest(client, "/runs")
    with outage(valkey):
        created = client.post("/jobs", timeout=2)
        assert created.status_code == 201
        path = f"/jobs/{created.json()['job_id']}"
        reason = "The broker is down: no worker can reach it."
        wait_for(lambda: client.get(path, timeout=2).json()["waiting_for"] == reason, what=reason)
        for path in ("/chain", "/group", "/chord", "/documents/report", "/test-request-info"):
            assert_problem(client.post(path, timeout=2), 503)
        readiness = client.get("/ready", timeout=5)
        assert (readiness.status_code, readiness.json()["database"]) == (503, "ok")
        assert "broker" in readiness.json()["broker"]
    wait_for(lambda: is_ready(client), what="readiness")
    assert newest(client, "/runs") == before
    assert finished(client, start(client, "/chord")["task_id"])["successful"]
    assert ended(client, submit(client))["status"] == "COMPLETED"


def test_postgresql_away_in_the_middle_of_a_job(
    client: httpx.Client, worker: Process, postgres: EmbeddedPostgres
) -> None:
    job_id = submit(client, params={"step_seconds": 0.5})
    wait_for(lambda: client.get(f"/jobs/{job_id}").json()["steps"], what="the first step")
    with stopped(postgres):
        pass
    wait_for(lambda: is_ready(client), what="readiness")
    job = ended(client, job_id)
    assert (job["status"], job["attempt"]) == ("COMPLETED", 1)
    assert [step["attempt"] for step in job["steps"]] == [1, 1, 1]


def test_a_task_runs_though_it_cannot_be_recorded(
    client: httpx.Client, worker: Process, postgres: EmbeddedPostgres
) -> None:
    """Recording must not hold a task up, nor make it fail."""
    from background.celery import celery_app

    with stopped(postgres):
        result = celery_app.signature("background.task.test_tasks.add", args=(2, 3)).apply_async()
        # Not `get`, which may wait for an announcement on a connection from before the broker was away.
        wait_for(result.ready, what="the task")
        assert result.result == 5
    wait_for(lambda: is_ready(client), what="readiness")


def test_it_lives_while_every_thread_waits(client: httpx.Client, postgres: EmbeddedPostgres) -> None:
    answers: list[int] = []

    def ask() -> None:
        answers.append(httpx.get(f"{client.base_url}/jobs", timeout=60).status_code)

    waiting = [threading.Thread(target=ask) for _ in range(60)]
    with frozen(postgres):
        for each in waiting:
            each.start()
        for _ in range(10):
            assert httpx.get(f"{client.base_url}/", timeout=2).json() == {"status": "ok"}
        for each in waiting:
            each.join()
    assert set(answers) == {503}
    wait_for(lambda: is_ready(client), what="PostgreSQL")
