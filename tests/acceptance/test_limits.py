"""Pauses and limits, under real workers: what they hold back costs nothing, and they are never exceeded."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from sqlalchemy import text

from tests.acceptance.test_bad_input import assert_problem
from tests.acceptance.test_jobs import ended
from tests.acceptance.test_queues import ENVIRONMENT, THREADS, client, submit_of, worker
from tests.acceptance.test_releases import job
from tests.support import Process, running_worker, transaction, wait_for

__all__ = ["client", "worker"]
pytestmark = [pytest.mark.timeout(180), pytest.mark.usefixtures("worker")]
# Each begin and end writes how many of its pipeline, and of its customer, run then, in the order of the commits.
AUDIT = """
CREATE TABLE audit_limits (pipeline text, running int, of_customer int, job_id bigint, at timestamptz DEFAULT now());
CREATE FUNCTION audit_limits() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(77);
    INSERT INTO audit_limits
    SELECT NEW.pipeline, count(*), count(*) FILTER (WHERE params -> 'customer' = NEW.params -> 'customer'), NEW.id
    FROM jobs WHERE status = 'IN_PROGRESS' AND pipeline = NEW.pipeline;
    RETURN NULL;
END $$;
CREATE TRIGGER audit_limits AFTER UPDATE OF status ON jobs FOR EACH ROW
WHEN (OLD.status <> NEW.status AND (NEW.status = 'IN_PROGRESS' OR OLD.status = 'IN_PROGRESS'))
EXECUTE FUNCTION audit_limits();
"""


@pytest.fixture(scope="module", autouse=True)
def audit(client: httpx.Client) -> Iterator[None]:
    """Every change of what runs is counted."""
    with transaction() as connection:
        connection.exec_driver_sql(AUDIT)
    yield
    with transaction() as connection:
        connection.exec_driver_sql("DROP TRIGGER audit_limits ON jobs; DROP FUNCTION audit_limits")
        connection.exec_driver_sql("DROP TABLE audit_limits; DELETE FROM job_controls")


def most(pipeline: str) -> tuple[int, int]:
    """How many of this pipeline, and of one customer of it, have ever run at once."""
    statement = text("SELECT max(running), max(of_customer) FROM audit_limits WHERE pipeline = :pipeline")
    with transaction() as connection:
        return tuple(connection.execute(statement, {"pipeline": pipeline}).one())


def submit_many(client: httpx.Client, pipeline: str, params: list[dict[str, Any]]) -> list[int]:
    """Submit these together; gives their ids."""
    answer = client.post("/jobs/batch", json={"jobs": [{"pipeline": pipeline, "params": each} for each in params]})
    assert answer.status_code == 201
    return [each["job_id"] for each in answer.json()]


def waits_for(client: httpx.Client, job_id: int, code: str) -> dict[str, Any]:
    """What this job says when it waits for that; for a moment after an end there is room, and nothing to wait for."""

    def facts() -> dict[str, Any] | None:
        found: dict[str, Any] | None = job(client, job_id)["waiting"]
        return found if found and found["code"] == code else None

    told = wait_for(facts, what=code)
    assert told is not None
    return told


def all_ended(job_ids: list[int]) -> bool:
    """Whether all these have."""
    statement = text("SELECT count(*) FROM jobs WHERE id = ANY (:ids) AND status IN ('PENDING', 'IN_PROGRESS')")
    with transaction() as connection:
        return bool(connection.execute(statement, {"ids": job_ids}).scalar_one() == 0)


def test_a_limit_holds_while_a_worker_is_killed_and_who_waits_is_told_who_holds_it(
    client: httpx.Client, tmp_path: Path
) -> None:
    with running_worker(tmp_path / "killed.log", *THREADS, env=ENVIRONMENT) as killed:
        jobs = submit_many(client, "limited", [{"seconds": 0.05}] * 60)
        found = waits_for(client, jobs[-1], "concurrency_limit")
        assert (found["of"], found["limit"]) == ("pipeline limited", 3)
        assert set(found["holders"]) < set(jobs)
        killed.kill()
        wait_for(lambda: all_ended(jobs), seconds=60, what="the end of all")
    assert most("limited")[0] == 3
    assert {job(client, each)["status"] for each in jobs} == {"COMPLETED"}


def test_customers_have_their_turns(client: httpx.Client) -> None:
    flood = submit_many(client, "by_customer", [{"seconds": 0.02, "customer": 1}] * 60)
    (other,) = submit_many(client, "by_customer", [{"customer": 2}])
    found = waits_for(client, flood[-1], "concurrency_limit")
    assert (found["pipeline"], found["key"], found["value"]) == ("by_customer", "customer", 1)
    assert found["of"] == "pipeline by_customer with customer 1"
    wait_for(lambda: all_ended([*flood, other]), seconds=60, what="the end of all")
    assert job(client, other)["started_at"] < job(client, flood[-1])["started_at"]
    assert most("by_customer")[1] == 1


def test_a_rate_holds_for_every_window(client: httpx.Client) -> None:
    jobs = submit_many(client, "rated", [{"customer": 1}] * 7 + [{"customer": 2}])
    found = waits_for(client, jobs[-2], "rate_limit")
    assert (found["of"], found["limit"], found["per_seconds"]) == ("pipeline rated with customer 1", 5, 3)
    wait_for(lambda: all_ended(jobs), what="the end of all")
    begun = sorted(job(client, each)["started_at"] for each in jobs[:-1])
    with transaction() as connection:
        apart = connection.execute(
            text("SELECT extract(epoch FROM CAST(:late AS timestamptz) - CAST(:early AS timestamptz))"),
            {"late": begun[5], "early": begun[0]},
        ).scalar_one()
    assert apart > 3
    assert job(client, jobs[-1])["started_at"] < begun[5]


def test_a_queue_is_paused_resumed_and_limited(client: httpx.Client) -> None:
    assert client.patch("/queues/celery", json={"paused": True}).json()["paused"]
    waiting = submit_of(client, "plain")
    wait_for(lambda: job(client, waiting)["waiting"] == {"code": "queue_paused", "queue": "celery"}, what="why")
    assert job(client, waiting)["waiting_for"] == "The queue celery is paused."
    client.patch("/queues/celery", json={"paused": False, "concurrency": 2})
    jobs = submit_many(client, "plain", [{"seconds": 0.03}] * 30)
    wait_for(lambda: all_ended([waiting, *jobs]), seconds=60, what="the end of all")
    assert most("plain")[0] <= 2
    answer = client.patch("/queues/celery", json={"concurrency": None, "rate": {"count": 10, "seconds": 60}}).json()
    assert (answer["concurrency"], answer["rate"]) == (None, {"count": 10, "seconds": 60.0})
    assert answer["limits"] == {"concurrency": None, "rate": answer["rate"]}
    assert client.patch("/queues/celery", json={"rate": None}).json()["rate"] is None
    assert ended(client, submit_of(client, "plain"))["status"] == "COMPLETED"


def test_what_waited_when_a_limit_was_set_waits_for_it(client: httpx.Client, worker: Process) -> None:
    client.patch("/queues/celery", json={"paused": True})
    jobs = submit_many(client, "plain", [{"seconds": 0.03}] * 20)
    client.patch("/queues/celery", json={"paused": False, "concurrency": 1})
    wait_for(lambda: all_ended(jobs), seconds=60, what="the end of all")
    with transaction() as connection:
        running = text("SELECT max(running) FROM audit_limits WHERE job_id = ANY (:ids)")
        assert connection.execute(running, {"ids": jobs}).scalar_one() == 1
    client.patch("/queues/celery", json={"concurrency": None})


def test_a_pipeline_is_paused_and_resumed(client: httpx.Client) -> None:
    assert client.patch("/pipelines/plain", json={"paused": True}).json() == {"name": "plain", "paused": True}
    jobs = submit_many(client, "plain", [{}] * 3)
    assert ended(client, submit_of(client, "limited"))["status"] == "COMPLETED"
    assert {job(client, each)["waiting"]["code"] for each in jobs} == {"pipeline_paused"}
    assert {each["name"]: each["paused"] for each in client.get("/pipelines").json()}["plain"]
    client.patch("/pipelines/plain", json={"paused": False})
    assert {ended(client, each)["attempt"] for each in jobs} == {1}


def test_a_pipeline_whose_name_has_a_slash_is_paused(client: httpx.Client) -> None:
    for paused in (True, False):
        answer = client.patch("/pipelines/shop%2Fnested", json={"paused": paused})
        assert answer.json() == {"name": "shop/nested", "paused": paused}
    assert client.patch("/pipelines/shop%2Fnothing", json={"paused": True}).status_code == 404


def test_a_queue_that_nobody_serves_may_be_set_and_says_so(client: httpx.Client) -> None:
    answer = client.patch("/queues/nobody", json={"concurrency": 3})
    assert (answer.status_code, answer.json()["workers"]) == (200, 0)
    queues = {each["name"]: each for each in client.get("/queues").json()}
    assert (queues["nobody"]["concurrency"], queues["celery"]["workers"]) == (3, 1)
    assert queues["reports"]["pipelines"] == ["report"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/queues/celery", {"concurrency": 0}),
        ("/queues/celery", {"concurrency": -1}),
        ("/queues/celery", {"concurrency": "3"}),
        ("/queues/celery", {"rate": {"count": 10, "seconds": 0}}),
        ("/queues/celery", {"rate": {"count": 0, "seconds": 60}}),
        ("/queues/celery", {"rate": {"count": 10}}),
        ("/queues/celery", {"rate": 3}),
        ("/queues/celery", {"pause": True}),
        ("/queues/a b", {"paused": True}),
        ("/queues/unacked", {"paused": True}),
        ("/queues/celery%00", {"paused": True}),
        ("/pipelines/plain", {}),
        ("/pipelines/plain", {"paused": 1}),
    ],
)
def test_what_cannot_be_set_is_refused_and_nothing_is_stored(
    client: httpx.Client, path: str, body: dict[str, Any]
) -> None:
    before = client.get("/queues").json()
    assert_problem(client.patch(path, json=body), 422)
    assert client.get("/queues").json() == before
