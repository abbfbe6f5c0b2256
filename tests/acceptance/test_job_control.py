"""What a user can do to a job: idempotency key, batch, delay, priority, cancel, retry, delete."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import httpx2 as httpx
import pytest
from sqlalchemy import text

from tests.acceptance.test_bad_input import assert_problem
from tests.acceptance.test_durability import in_step, kinds
from tests.acceptance.test_jobs import ended, submit
from tests.support import Process, transaction, wait_for

SLOW = {"step_seconds": 30}
QUICK = {"step_seconds": 0}
FAILING = {"step_seconds": 0, "fail_at_step": 2, "fail_times": 99}


def status_of(client: httpx.Client, job_id: int) -> str:
    """The job's status."""
    return str(client.get(f"/jobs/{job_id}").json()["status"])


def failed(client: httpx.Client) -> int:
    """A job that has failed at step 2."""
    job_id = submit(client, params=FAILING, max_attempts=1)
    assert ended(client, job_id)["status"] == "FAILED"
    return job_id


def test_a_default_that_is_spelled_out_is_the_same_request(client: httpx.Client) -> None:
    headers = {"Idempotency-Key": str(uuid4())}
    spelled = {"pipeline": "demo", "params": {"fail_times": 1}, "priority": 0, "delay_seconds": 0, "max_attempts": 3}
    first = client.post("/jobs", headers=headers)
    second = client.post("/jobs", json=spelled, headers=headers)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["job_id"] == second.json()["job_id"]


def test_a_key_that_somebody_holds_keeps_nobody_else_waiting(client: httpx.Client) -> None:
    key = str(uuid4())
    held = text("""
        INSERT INTO jobs (task_id, pipeline, step_names, params, max_attempts, idempotency_key)
        VALUES (gen_random_uuid(), 'demo', '{one}', '{}', 1, :key)
    """)
    # For the end of our transaction, which alone has a row that others want.
    waits = text("SELECT count(*) FROM pg_locks WHERE locktype = 'transactionid' AND NOT granted")
    with transaction() as connection, ThreadPoolExecutor(9) as pool:
        connection.execute(held, {"key": key})
        waiting = pool.submit(client.post, "/jobs", headers={"Idempotency-Key": key})
        wait_for(lambda: connection.execute(waits).scalar_one() == 1, what="the one with the key waiting")
        others = [pool.submit(client.post, "/jobs", json={"params": QUICK}) for _ in range(8)]
        assert [other.result().status_code for other in others] == [201] * 8
        assert connection.execute(waits).scalar_one() == 1
        connection.rollback()
        assert waiting.result().status_code == 201


def test_one_key_makes_one_job_however_often_it_is_sent(client: httpx.Client) -> None:
    headers = {"Idempotency-Key": str(uuid4())}

    def send(_: int) -> httpx.Response:
        return client.post("/jobs", json={"params": QUICK, "delay_seconds": 3600}, headers=headers)

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(send, range(100)))
    assert len({answer.json()["job_id"] for answer in answers}) == 1
    assert sorted(answer.status_code for answer in answers) == [200] * 99 + [201]
    same = client.post("/jobs", json={"delay_seconds": 3600.0, "params": {"step_seconds": 0.0}}, headers=headers)
    assert same.status_code == 200
    assert_problem(client.post("/jobs", json={"params": SLOW}, headers=headers), 409)
    job_id = answers[0].json()["job_id"]
    client.post(f"/jobs/{job_id}/cancel")
    assert client.post("/jobs", json={"params": QUICK, "delay_seconds": 3600}, headers=headers).json()["status"] == (
        "CANCELLED"
    )
    assert client.delete(f"/jobs/{job_id}").status_code == 204
    again = client.post("/jobs", json={"params": SLOW, "delay_seconds": 3600}, headers=headers)
    assert again.status_code == 201


@pytest.mark.parametrize("key", ["", "k" * 256, "key with spaces"])
def test_a_key_that_cannot_be(client: httpx.Client, key: str) -> None:
    assert_problem(client.post("/jobs", headers={"Idempotency-Key": key}), 422)


def test_a_batch_is_all_or_nothing(client: httpx.Client, worker: Process) -> None:
    answer = client.post(
        "/jobs/batch", json={"jobs": [{"params": QUICK, "priority": number % 10} for number in range(50)]}
    )
    assert answer.status_code == 201
    ids = [job["job_id"] for job in answer.json()]
    assert ids == sorted(ids)
    assert {ended(client, job_id)["status"] for job_id in ids} == {"COMPLETED"}
    newest = client.get("/jobs?limit=1").json()[0]["id"]
    bad = client.post("/jobs/batch", json={"jobs": [{"params": QUICK}, {"params": {"step_seconds": -1}}]})
    assert assert_problem(bad, 422)["errors"][0]["loc"] == ["body", "jobs", 1, "params", "step_seconds"]
    bodies: list[Any] = [{"jobs": []}, {"jobs": [{}] * 1001}, {}, {"jobs": [{"unknown": 1}]}]
    for body in bodies:
        assert_problem(client.post("/jobs/batch", json=body), 422)
    assert client.get("/jobs?limit=1").json()[0]["id"] == newest


def test_while_a_job_with_its_unique_key_has_not_ended_that_is_the_answer(client: httpx.Client) -> None:
    body = {"params": QUICK, "delay_seconds": 3600, "unique_key": str(uuid4())}
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: client.post("/jobs", json=body), range(20)))
    assert sorted(answer.status_code for answer in answers) == [200] * 19 + [201]
    assert {(answer.status_code, answer.json().get("duplicate", False)) for answer in answers} == {
        (201, False),
        (200, True),
    }
    ((job_id, location),) = {(answer.json()["job_id"], answer.headers["location"]) for answer in answers}
    assert location == f"/jobs/{job_id}"
    assert client.get(location).json()["unique_key"] == body["unique_key"]
    batch = client.post("/jobs/batch", json={"jobs": [body, {**body, "unique_key": str(uuid4())}]}).json()
    assert [job.get("duplicate", False) for job in batch] == [True, False]
    client.post(f"/jobs/{job_id}/cancel")
    other = client.post("/jobs", json=body).json()["job_id"]
    facts = assert_problem(client.post(f"/jobs/{job_id}/retry"), 409)
    assert (facts["code"], facts["values"]["why"]) == ("job_not_retryable", "key_taken")
    assert client.post("/jobs", json={**body, "unique_seconds": 60}).json()["job_id"] == other


def test_jobs_are_found_and_retried_at_once(client: httpx.Client) -> None:
    tag = str(uuid4())
    bodies = [
        {"params": {"step_seconds": number % 2}, "delay_seconds": 3600, "tags": [tag, "é&"]} for number in range(6)
    ]
    ids = [job["job_id"] for job in client.post("/jobs/batch", json={"jobs": bodies}).json()]
    query: dict[str, Any] = {"tag": [tag, "é&"], "param.step_seconds": "1", "status": ["PENDING", "FAILED"], "limit": 2}
    page = client.get("/jobs", params={**query, "created_after": "2026-01-01T00:00:00+09:00"})
    assert [job["id"] for job in page.json()] == [ids[5], ids[3]]
    rest = client.get(page.links["next"]["url"])
    assert [job["id"] for job in rest.json()] == [ids[1]]
    assert "next" not in rest.links
    # A plus that nobody has escaped.
    assert client.get(f"/jobs?tag={tag}&created_before=2026-01-01T00:00:00+09:00").json() == []

    wanted = {"tag": tag, "param.step_seconds": 1}
    cancelled = client.post("/jobs/actions", json={"action": "cancel", "filter": wanted})
    assert cancelled.json() == {"matched": 3, "done": 3, "refused": 0, "before": None}
    again = client.post("/jobs/actions", json={"action": "retry", "filter": {"tag": [tag]}, "limit": 4})
    assert again.json() == {"matched": 4, "done": 2, "refused": 2, "before": ids[2]}
    assert client.get("/jobs/matching", params={"tag": tag, "status": "CANCELLED"}).json() == {
        "number": 1,
        "more": False,
        "errors": [],
    }


def test_a_delayed_job_waits_and_says_so(client: httpx.Client, worker: Process) -> None:
    late = submit(client, params=QUICK, delay_seconds=3600)
    soon = submit(client, params=QUICK, delay_seconds=0.5)
    assert ended(client, soon)["status"] == "COMPLETED"
    job = client.get(f"/jobs/{late}").json()
    assert job["status"] == "PENDING"
    assert "not due yet" in job["waiting_for"]


def test_a_waiting_job_is_cancelled_at_once(client: httpx.Client, worker: Process) -> None:
    job_id = submit(client, params=QUICK, delay_seconds=3600)
    answer = client.post(f"/jobs/{job_id}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (202, "CANCELLED")
    assert_problem(client.post(f"/jobs/{job_id}/cancel"), 409)


def test_a_running_job_is_cancelled_where_its_step_looks(client: httpx.Client, worker: Process) -> None:
    job_id = submit(client, params=SLOW)
    wait_for(lambda: in_step(client, job_id, 1), what="step 1")
    assert client.post(f"/jobs/{job_id}/cancel").status_code == 202
    job = ended(client, job_id)
    assert (job["status"], job["steps"][0]["status"]) == ("CANCELLED", "FAILED")
    assert kinds(job)[-2:] == ["cancel_requested", "cancelled"]


def test_a_failed_job_goes_on_where_it_stopped(client: httpx.Client, worker: Process) -> None:
    job_id = failed(client)
    answer = client.post(f"/jobs/{job_id}/retry", json={"params": QUICK})
    assert (answer.status_code, answer.json()["params"]["fail_at_step"]) == (202, None)
    job = ended(client, job_id)
    assert (job["status"], job["attempt"], job["error"]) == ("COMPLETED", 2, None)
    assert [step["attempt"] for step in job["steps"]] == [1, 2, 2]
    assert "retried" in kinds(job)


def test_params_of_a_retry_may_not_be_too_large_either(client: httpx.Client, worker: Process) -> None:
    job_id = failed(client)
    assert_problem(client.post(f"/jobs/{job_id}/retry", json={"params": {"note": "x" * 300_000}}), 413)
    assert status_of(client, job_id) == "FAILED"


def test_a_completed_job_runs_again_from_a_step(client: httpx.Client, worker: Process) -> None:
    job_id = submit(client, params=QUICK)
    ended(client, job_id)
    assert_problem(client.post(f"/jobs/{job_id}/retry"), 409)
    assert_problem(client.post(f"/jobs/{job_id}/retry", json={"params": QUICK}), 409)
    assert_problem(client.post(f"/jobs/{job_id}/retry", json={"from_step": 4}), 409)
    assert client.post(f"/jobs/{job_id}/retry", json={"from_step": 2}).status_code == 202
    job = ended(client, job_id)
    assert [step["attempt"] for step in job["steps"]] == [1, 2, 2]


def test_a_retry_that_cannot_be_changes_nothing(client: httpx.Client, worker: Process) -> None:
    job_id = failed(client)
    before = client.get(f"/jobs/{job_id}").json()
    assert_problem(client.post(f"/jobs/{job_id}/retry", json={"from_step": 3}), 409)
    bodies: list[Any] = [
        {"from_step": 0},
        {"from_step": "1"},
        {"params": {"unknown": 1}},
        {"params": []},
        {"unknown": 1},
    ]
    for body in bodies:
        assert_problem(client.post(f"/jobs/{job_id}/retry", json=body), 422)
    assert client.get(f"/jobs/{job_id}").json() == before
    waiting = submit(client, params=QUICK, delay_seconds=3600)
    assert_problem(client.post(f"/jobs/{waiting}/retry"), 409)


def test_only_an_ended_job_is_deleted(client: httpx.Client, worker: Process) -> None:
    waiting = submit(client, params=QUICK, delay_seconds=3600)
    assert_problem(client.delete(f"/jobs/{waiting}"), 409)
    job_id = failed(client)
    assert client.delete(f"/jobs/{job_id}").status_code == 204
    assert_problem(client.get(f"/jobs/{job_id}"), 404)


@pytest.mark.parametrize(("method", "path"), [("POST", "/cancel"), ("POST", "/retry"), ("DELETE", "")])
def test_a_job_that_is_not_there(client: httpx.Client, method: str, path: str) -> None:
    assert_problem(client.request(method, f"/jobs/{2**60}{path}"), 404)
    assert_problem(client.request(method, f"/jobs/{2**70}{path}"), 422)


def test_who_changes_a_job_that_is_locked_holds_up_nobody_else(client: httpx.Client) -> None:
    job_id = submit(client, delay_seconds=3600)
    schedule = {"name": "held", "pipeline": "demo", "every_seconds": 3600}
    schedule_id = client.post("/schedules", json=schedule).raise_for_status().json()["id"]
    locks = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    asked = [("POST", f"/jobs/{job_id}/cancel"), ("DELETE", f"/jobs/{job_id}"), ("DELETE", f"/schedules/{schedule_id}")]
    waiting: list[int] = []
    with ThreadPoolExecutor(60) as clients, transaction() as theirs:
        theirs.execute(text("SELECT FROM jobs WHERE id = :id FOR UPDATE"), {"id": job_id})
        theirs.execute(text("SELECT FROM schedules WHERE id = :id FOR UPDATE"), {"id": schedule_id})
        changes = [clients.submit(client.request, *asked[at % len(asked)]) for at in range(60)]
        while not all(each.done() for each in changes):
            with transaction() as connection:
                waiting.append(connection.scalar(text(locks)))
            assert client.get("/jobs?limit=1").status_code == 200, "others go on"
    for each in changes:
        assert_problem(each.result(), 503)
        print(each.result().json(), each.result().request.url.path, each.result().elapsed)
        assert each.result().json()["code"] == "database_refuses"
    assert max(waiting) == len({"a job", "a schedule"})
    client.delete(f"/schedules/{schedule_id}").raise_for_status()


@pytest.mark.parametrize(
    "body",
    [
        {"priority": 10},
        {"priority": -1},
        {"priority": "9"},
        {"delay_seconds": -1},
        {"delay_seconds": "1"},
        {"delay_seconds": 1e12},
    ],
)
def test_a_job_with_odd_wishes(client: httpx.Client, body: dict[str, Any]) -> None:
    assert_problem(client.post("/jobs", json=body), 422)
