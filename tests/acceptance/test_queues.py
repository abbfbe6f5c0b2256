"""Jobs wait in the queue of their pipeline, for the workers that serve it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from celery import Celery

from background.broker.queues import queue_length
from background.local.postgres import EmbeddedPostgres
from background.local.valkey import EmbeddedValkey
from tests.acceptance.releases import SECOND
from tests.acceptance.test_backlog import flush
from tests.acceptance.test_jobs import ended, submit
from tests.acceptance.test_releases import assert_waits, job
from tests.support import Process, running_api, running_worker, wait_for

pytestmark = pytest.mark.timeout(120)
ENVIRONMENT = {"PIPELINES": "tests.acceptance.queued", "LEASE_SECONDS": "3"}
THREADS = ("--pool=threads", "--concurrency=4")


@pytest.fixture(scope="module")
def client(
    postgres: EmbeddedPostgres, valkey: EmbeddedValkey, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    """An API of these pipelines."""
    with running_api(tmp_path_factory.mktemp("queues") / "api.log", env=ENVIRONMENT) as api:
        yield api


@pytest.fixture(scope="module")
def worker(client: httpx.Client, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A worker as Celery starts one that is told nothing of queues."""
    with running_worker(tmp_path_factory.mktemp("queues") / "plain.log", *THREADS, env=ENVIRONMENT) as process:
        yield process


@pytest.fixture
def empty() -> None:
    """No message is left."""
    flush()


def submit_of(client: httpx.Client, pipeline: str, **params: Any) -> int:
    """Submit a job of this pipeline; gives its id."""
    return submit(client, pipeline=pipeline, params=params)


@pytest.mark.usefixtures("worker", "empty")
def test_a_job_waits_for_a_worker_that_serves_its_queue(client: httpx.Client, tmp_path: Path) -> None:
    waiting = [submit_of(client, "report") for _ in range(30)]
    assert ended(client, submit_of(client, "plain"))["status"] == "COMPLETED"
    assert_waits(client, waiting[0], code="no_worker_serves_queue", queue="reports")
    found = job(client, waiting[0])
    assert (found["queue"], found["waiting_for"]) == ("reports", "No live worker serves the queue reports.")
    assert queue_length("reports") == 10 + 2  # as many as for any backlog, in its own list
    flush()
    with running_worker(tmp_path / "reports.log", "-Q", "reports", env=ENVIRONMENT):
        assert {ended(client, each)["attempt"] for each in waiting} == {1}
        named = {each["name"].partition("@")[0]: each["queues"] for each in client.get("/workers").json()}
        assert (named["reports"], named["plain"]) == (["reports"], ["celery"])
        assert {job(client, each)["worker"].partition("@")[0] for each in waiting} == {"reports"}
        wait_for(lambda: queue_length("reports", "celery") == 0, what="empty queues")


@pytest.mark.usefixtures("empty")
def test_one_worker_serves_several_queues_in_turn_and_a_failover_of_redis_loses_none(
    client: httpx.Client, worker: Process, tmp_path: Path
) -> None:
    with running_worker(tmp_path / "both.log", "-Q", "reports,celery", *THREADS, env=ENVIRONMENT):
        backlog = [submit_of(client, "report", seconds=0.02) for _ in range(100)]
        flush()
        jobs = [submit_of(client, "plain") for _ in range(10)]
        assert {ended(client, each)["status"] for each in jobs} == {"COMPLETED"}
        assert {ended(client, each)["status"] for each in backlog} == {"COMPLETED"}


def test_celery_itself_counts_a_queue_that_it_publishes_to_among_those_it_consumes() -> None:
    """Where it does no more, `_serve_nothing_more` of `background.celery` can go."""
    queues = Celery(set_as_current=False).amqp.queues
    assert queues["reports"].name in queues.consume_from


@pytest.mark.parametrize("pool", [("--pool=solo",), ("--pool=prefork", "--concurrency=1")])
@pytest.mark.usefixtures("empty")
def test_a_worker_serves_no_queue_that_it_only_publishes_to(
    client: httpx.Client, valkey: EmbeddedValkey, tmp_path: Path, pool: tuple[str, ...]
) -> None:
    """Celery 5.6 lets it consume that one, too, once it has connected anew (celery/celery#9462)."""
    chain = {"chain": [{"task": "add", "args": [1, 2]}, {"task": "echo", "queue": "reports"}]}
    with running_worker(tmp_path / "one.log", *pool, env=ENVIRONMENT):
        run = client.post("/canvas", json=chain).json()["task_id"]
        wait_for(lambda: queue_length("reports") == 1, what="its second message")
        valkey.stop()
        valkey.start()
        valkey.wait_ready()
        waiting = submit_of(client, "report")
        assert ended(client, submit_of(client, "plain"))["status"] == "COMPLETED"
        assert_waits(client, waiting, code="no_worker_serves_queue", queue="reports")
        assert client.get(f"/result/{run}").json()["progress"]["completed"] == 1
    client.post(f"/result/{run}/cancel")
    client.post(f"/jobs/{waiting}/cancel")


@pytest.mark.usefixtures("worker")
def test_a_job_that_another_release_must_run_goes_to_workers_of_its_queue_alone(
    client: httpx.Client, tmp_path: Path
) -> None:
    other = {**ENVIRONMENT, "PIPELINES": SECOND}
    with running_worker(tmp_path / "other.log", "-Q", "reports", *THREADS, env=other):
        waiting = submit_of(client, "report")
        assert_waits(client, waiting, code="no_worker_has_pipeline", pipeline="report")
        with running_worker(tmp_path / "reports.log", "-Q", "reports", *THREADS, env=ENVIRONMENT):
            assert ended(client, waiting)["worker"].startswith("reports@")
