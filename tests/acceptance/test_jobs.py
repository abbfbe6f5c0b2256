"""Jobs as a user sees them: a real API process, a real worker, real servers."""

from typing import Any

import httpx2 as httpx
import pytest

from background.documents.store import SAMPLES
from tests.support import wait_for

pytestmark = pytest.mark.usefixtures("worker")


def submit(client: httpx.Client, **body: Any) -> int:
    """Submit a job; gives its id."""
    answer = client.post("/jobs", json=body)
    assert answer.status_code == 201, answer.text
    return int(answer.json()["job_id"])


def ended(client: httpx.Client, job_id: int) -> dict[str, Any]:
    """The job once it has ended."""

    def look() -> dict[str, Any] | None:
        job: dict[str, Any] = client.get(f"/jobs/{job_id}").json()
        return job if job["status"] in ("COMPLETED", "FAILED", "CANCELLED") else None

    return wait_for(look, what=f"the end of job {job_id}")


def test_a_job_without_a_body(client: httpx.Client) -> None:
    answer = client.post("/jobs")
    created = answer.json()
    assert (answer.status_code, answer.headers["Location"]) == (201, f"/jobs/{created['job_id']}")
    assert (created["status"], created["message"]) == ("PENDING", "Job created and submitted successfully")
    job = ended(client, created["job_id"])
    assert (job["status"], job["attempt"], job["task_id"]) == ("COMPLETED", 1, created["task_id"])
    assert [step["message"] for step in job["steps"]] == [f"Step {k} completed successfully" for k in (1, 2, 3)]
    assert [event["kind"] for event in job["events"] if event["kind"] != "progress"] == [
        "created", "started", "step_completed", "step_completed", "completed",
    ]  # fmt: skip
    assert [event["number"] for event in job["events"]] == list(range(1, len(job["events"]) + 1))
    assert job["waiting_for"] is None
    assert job["worker"].startswith("worker@")


def test_steps_appear_one_by_one_with_progress(client: httpx.Client) -> None:
    job_id = submit(client, params={"step_seconds": 1})
    seen: list[list[str]] = []
    progress: set[float] = set()

    def watch() -> bool:
        job = client.get(f"/jobs/{job_id}").json()
        states = [step["status"] for step in job["steps"]]
        if states not in seen:
            seen.append(states)
        progress.update(step["progress"] for step in job["steps"])
        return bool(job["status"] == "COMPLETED")

    wait_for(watch, what="completion")
    stages = [["COMPLETED"] * done + ["IN_PROGRESS"] for done in range(3)]
    assert [states for states in seen if states] == [*stages, ["COMPLETED"] * 3]
    assert any(0 < fraction < 1 for fraction in progress)


def test_a_failing_step_says_why(client: httpx.Client) -> None:
    job = ended(client, submit(client, params={"step_seconds": 0, "fail_at_step": 2, "fail_times": 99}, max_attempts=1))
    assert job["status"] == "FAILED"
    assert job["error"] == "RuntimeError: Step 2 failed, as fail_at_step asks for."
    assert [step["status"] for step in job["steps"]] == ["COMPLETED", "FAILED"]
    assert "Traceback" in job["steps"][1]["error"]
    assert job["events"][-1]["kind"] == "failed"
    result = client.get(f"/result/{job['task_id']}").json()
    assert (result["type"], result["status"], result["failed"]) == ("job", "FAILURE", True)
    assert result["error"] == {"type": "RuntimeError", "message": "Step 2 failed, as fail_at_step asks for."}


@pytest.mark.parametrize("name", sorted(path.name for path in SAMPLES.iterdir()))
def test_the_document_pipeline_reads_each_sample(client: httpx.Client, name: str) -> None:
    job = ended(client, submit(client, pipeline="document", params={"document": name}))
    assert job["status"] == "COMPLETED", job["error"]
    assert [step["name"] for step in job["steps"]] == ["extract", "analyze", "report"]
    assert job["steps"][1]["output"]["words"] > 100
    assert job["result"]["documents"] == [name]


def test_jobs_are_listed_in_pages(client: httpx.Client) -> None:
    made = [submit(client, params={"step_seconds": 0}) for _ in range(5)]
    for job_id in made:
        ended(client, job_id)
    found: list[int] = []
    url = f"/jobs?limit=2&status=COMPLETED&pipeline=demo&before={made[-1] + 1}"
    while len(found) < 5:
        page = client.get(url)
        assert len(page.json()) == 2
        found += [job["id"] for job in page.json()]
        url = page.links["next"]["url"]
    assert found[:5] == made[::-1]
    assert all(job["steps"] for job in page.json())
    assert "next" not in client.get("/jobs?limit=1&before=2").links


def test_the_pipelines_are_described(client: httpx.Client) -> None:
    found = {each["name"]: each for each in client.get("/pipelines").json()}
    assert found["demo"]["steps"] == ["prepare", "process", "publish"]
    assert set(found["demo"]["params"]["properties"]) == {"step_seconds", "fail_at_step", "fail_times"}
    assert found["document"]["params"]["required"] == ["document"]
    assert {name for name, each in found.items() if each["built_in"]} == {"demo", "document"}
    assert not any(each["called"] for each in found.values())
    called = [each for each in client.get("/pipelines?called=true").json() if each["called"]]
    assert [(each["name"], each["steps"]) for each in called] == [("callback_url", ["deliver"])]


def test_tags_stay_with_the_job(client: httpx.Client) -> None:
    job_id = client.post("/jobs", json={"tags": ["nightly", "customer 7"]}).json()["job_id"]
    job = client.get(f"/jobs/{job_id}").json()
    assert (job["tags"], job["queue"], job["unique_key"], job["schedule_id"]) == (
        ["nightly", "customer 7"],
        "celery",
        None,
        None,
    )
    assert client.get("/jobs", params={"limit": 1}).json()[0]["tags"] == job["tags"]


@pytest.mark.parametrize("tags", [["x"] * 11, [""], ["x" * 65], ["a\0b"], [1], "one", None])
def test_tags_that_cannot_be(client: httpx.Client, tags: object) -> None:
    assert client.post("/jobs", json={"tags": tags}).status_code == 422
