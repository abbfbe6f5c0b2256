"""What is called when a job has ended: its pipeline's hooks, and the address that its client gave."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from sqlalchemy import text

from background.local.postgres import EmbeddedPostgres
from background.local.valkey import EmbeddedValkey
from tests.acceptance.callbacks import SECRET, Stub, verified
from tests.acceptance.test_bad_input import assert_problem
from tests.acceptance.test_jobs import ended
from tests.support import running_api, running_worker, transaction, wait_for

ENV = {
    "PIPELINES": "tests.acceptance.hooked,background.pipelines",
    "LEASE_SECONDS": "2",
    "STEP_SECONDS": "0",
    "CALLBACK_SECRET": SECRET,
}


@pytest.fixture(scope="module")
def stub() -> Iterator[Stub]:
    """Somebody who wants to hear of jobs."""
    with Stub() as server:
        yield server


@pytest.fixture(scope="module")
def api(
    postgres: EmbeddedPostgres, valkey: EmbeddedValkey, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    """An API and a worker that may call private addresses."""
    home, env = tmp_path_factory.mktemp("hooks"), {**ENV, "CALLBACK_PRIVATE": "true"}
    with running_api(home / "api.log", env=env) as client, running_worker(home / "worker.log", env=env):
        yield client


def submit(client: httpx.Client, **request: Any) -> int:
    """A job that was made of this request."""
    answer = client.post("/jobs", json=request)
    assert answer.status_code == 201, answer.text
    return int(answer.json()["job_id"])


def hooks(client: httpx.Client, job_id: int) -> list[dict[str, Any]]:
    """The jobs that its end has called, once they have ended."""
    called = ended(client, job_id).get("hooks", [])
    return [ended(client, each["id"]) for each in called]


@pytest.mark.parametrize("how", ["", "die", "fail"])
def test_success_is_told_once_whatever_dies(api: httpx.Client, tmp_path: Path, how: str) -> None:
    job_id = submit(api, pipeline="order", params={"notes": str(tmp_path), "how": how}, priority=7)
    (called,) = hooks(api, job_id)
    assert (called["pipeline"], called["status"], called["result"]) == ("order.on_success", "COMPLETED", "thanked")
    assert (called["parent_id"], called["priority"], called["attempt"]) == (job_id, 7, 2 if how else 1)
    assert (tmp_path / str(job_id)).read_text() == f"job-{called['id']}-step-1 order COMPLETED {{'paid': 3}} None\n"


def test_failure_is_told_and_a_hook_that_fails_is_seen(api: httpx.Client, tmp_path: Path) -> None:
    job_id = submit(api, pipeline="order", params={"notes": str(tmp_path), "fail": True})
    (called,) = hooks(api, job_id)
    assert (called["pipeline"], called["step_names"]) == ("order.on_failure", ["regret", "never"])
    assert [each["status"] for each in called["steps"]] == ["COMPLETED", "FAILED"]
    assert called["error"] == "NoRetry: nobody to tell"
    assert "order FAILED None NoRetry: no money" in (tmp_path / str(job_id)).read_text()
    assert api.get(f"/jobs/{job_id}").json()["status"] == "FAILED", "as it was"
    assert api.post(f"/jobs/{called['id']}/retry").status_code == 202
    assert ended(api, called["id"])["status"] == "FAILED"
    # Each end is told.
    assert api.post(f"/jobs/{job_id}/retry").status_code == 202
    wait_for(lambda: len(api.get(f"/jobs/{job_id}").json()["hooks"]) == 2, what="the second end")
    # And nobody else calls a hook.
    assert_problem(api.post("/jobs", json={"pipeline": "order.on_failure"}), 422)
    assert "order.on_failure" not in [each["name"] for each in api.get("/pipelines").json()]


def test_a_cancelled_job_calls_no_hook(api: httpx.Client, tmp_path: Path) -> None:
    job_id = submit(api, pipeline="order", params={"notes": str(tmp_path)}, delay_seconds=60)
    assert api.post(f"/jobs/{job_id}/cancel").status_code == 202
    assert "hooks" not in api.get(f"/jobs/{job_id}").json()


def test_a_retry_that_takes_the_plan_of_today_calls_the_hooks_of_today(
    api: httpx.Client, stub: Stub, tmp_path: Path
) -> None:
    asked = {"params": {"notes": str(tmp_path), "fail": True}, "callback_url": f"{stub.url}/200"}
    job_id = submit(api, pipeline="order", **asked, delay_seconds=60)
    assert api.post(f"/jobs/{job_id}/cancel").status_code == 202
    rename = "UPDATE jobs SET hooks = CAST(replace(hooks::text, 'regret', 'grieve') AS jsonb) WHERE id = :id"
    with transaction() as connection:
        connection.execute(text(rename), {"id": job_id})
    assert api.post(f"/jobs/{job_id}/retry", json={"replan": True}).status_code == 202
    called = {each["pipeline"]: each["step_names"] for each in hooks(api, job_id)}
    assert called == {"callback_url": ["deliver"], "order.on_failure": ["regret", "never"]}
    assert len(api.get(f"/jobs/{job_id}").json()["hooks"]) == 3, "both ends are told to the address"


@pytest.mark.parametrize(("path", "tries"), [("200", 1), ("500-204", 2), ("429-200", 2)])
def test_an_address_is_told_until_it_takes_it(api: httpx.Client, stub: Stub, path: str, tries: int) -> None:
    job_id = submit(api, callback_url=f"{stub.url}/{path}/x?y=1")
    (called,) = hooks(api, job_id)
    assert (called["status"], called["attempt"]) == ("COMPLETED", tries)
    got = stub.got[f"/{path}/x?y=1"]
    assert len(got) == tries
    assert {headers["webhook-id"] for headers, _ in got} == {f"job-{called['id']}-step-1"}
    message = verified(*got[-1])
    assert (message["type"], message["data"]["id"]) == ("job.completed", job_id)
    assert message["data"]["result"] == api.get(f"/jobs/{job_id}").json()["result"]
    assert got[-1][0]["host"] == stub.url.removeprefix("http://")


def test_a_cancelled_job_is_told_too(api: httpx.Client, stub: Stub) -> None:
    job_id = submit(api, callback_url=f"{stub.url}/200/cancelled", delay_seconds=60)
    api.post(f"/jobs/{job_id}/cancel")
    (called,) = hooks(api, job_id)
    assert called["status"] == "COMPLETED"
    assert verified(*stub.got["/200/cancelled"][0])["type"] == "job.cancelled"


def test_an_address_that_is_gone_or_leads_elsewhere_is_not_followed(api: httpx.Client, stub: Stub) -> None:
    gone, elsewhere = (submit(api, callback_url=f"{stub.url}/{path}/z") for path in ("410", "302"))
    (called,) = hooks(api, gone)
    assert (called["status"], called["error"]) == (
        "FAILED",
        "NoRetry: 127.0.0.1 answered 410: it wants no more callbacks.",
    )
    (waits,) = wait_for(lambda: ended(api, elsewhere).get("hooks"), what="the call")
    failed = wait_for(lambda: api.get(f"/jobs/{waits['id']}").json()["steps"], what="its step")
    wait_for(lambda: api.get(f"/jobs/{waits['id']}").json()["waiting"], what="its pause")
    failed = api.get(f"/jobs/{waits['id']}").json()
    assert "127.0.0.1 answered 302; a redirect is not followed." in failed["error"]
    assert "/200/redirected" not in stub.got
    api.post(f"/jobs/{waits['id']}/cancel")


@pytest.fixture(scope="module")
def strict(api: httpx.Client, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """An API of the public internet."""
    with running_api(tmp_path_factory.mktemp("strict") / "api.log", env=ENV) as client:
        yield client


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/x",
        "http://169.254.169.254/latest/meta-data",
        "http://[::1]:80/",
        "http://[::ffff:10.0.0.1]/",
        "https://localhost/x",
        "http://10.1.2.3",
        "http://0.0.0.0/",
        "ftp://example.com/x",
        "example.com",
        "http://",
        "http://user:password@example.com/",
        "http://example.com:0/",
        "http://example.com:99999/",
        "http://exa mple.com/",
        "https://example.com/\r\nX: y",
        "https://" + "x" * 2000,
        7,
    ],
)
def test_an_address_that_cannot_be(strict: httpx.Client, url: Any) -> None:
    assert_problem(strict.post("/jobs", json={"callback_url": url}), 422)


def test_the_usual_api_has_no_secret_to_sign_with(client: httpx.Client) -> None:
    problem = assert_problem(client.post("/jobs", json={"callback_url": "https://example.com/x"}), 422)
    assert "CALLBACK_SECRET" in problem["detail"]


def test_an_address_is_part_of_what_an_idempotency_key_stands_for(api: httpx.Client, stub: Stub) -> None:
    def post(path: str) -> httpx.Response:
        request = {"callback_url": f"{stub.url}/200/{path}", "delay_seconds": 60}
        return api.post("/jobs", json=request, headers={"Idempotency-Key": "told"})

    first = post("a")
    assert (first.status_code, post("a").status_code, post("b").status_code) == (201, 200, 409)
    api.post(f"/jobs/{first.json()['job_id']}/cancel")
