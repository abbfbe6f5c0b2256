"""Canvases as a user sees them: each is recorded, runs, and tells its result."""

from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx2 as httpx
import pytest

from background.celery import celery_app
from tests.support import Process, wait_for

pytestmark = pytest.mark.usefixtures("worker")


def start(client: httpx.Client, path: str, body: Any = None) -> dict[str, Any]:
    """Start a canvas; gives the answer."""
    answer = client.post(path, json=body) if body is not None else client.post(path)
    assert answer.status_code == 202, answer.text
    started: dict[str, Any] = answer.json()
    return started


def finished(client: httpx.Client, task_id: str, *, seconds: float = 90) -> dict[str, Any]:
    """The outcome once nothing can change any more."""

    def look() -> dict[str, Any] | None:
        outcome: dict[str, Any] = client.get(f"/result/{task_id}").json()
        return outcome if outcome["ready"] else None

    return wait_for(look, seconds=seconds, what=f"the end of {task_id}")


@pytest.mark.parametrize(
    ("path", "body", "run_type", "result", "total"),
    [
        ("/add", {"x": 2, "y": 3}, "single", 5, 1),
        ("/add", {"x": 2**62, "y": -(2**63)}, "single", 2**62 - 2**63, 1),
        ("/chain", None, "chain", "Final result: 50", 3),
        ("/chain", {"x": 4}, "chain", "Final result: 70", 3),
        ("/group", None, "group", [5, 6], 2),
        ("/group", {"x": -1, "y": 7}, "group", [6, -7], 2),
        ("/chord", {}, "chord", "Final result: [5, 6]", 3),
        ("/chord", {"x": 1, "y": 1}, "chord", "Final result: [2, 1]", 3),
    ],
)
def test_each_canvas_gives_its_result(  # noqa: PLR0917  (pytest passes them by name)
    client: httpx.Client, path: str, body: Any, run_type: str, result: Any, total: int
) -> None:
    started = start(client, path, body)
    assert (started["type"], started["status"], started["ready"]) == (run_type, "PENDING", False)
    run = finished(client, started["task_id"])
    assert (run["status"], run["successful"], run["failed"], run["error"]) == ("SUCCESS", True, False, None)
    assert run["result"] == result
    assert run["progress"] == {"completed": total, "total": total}
    assert len(run["graph"]["nodes"]) == total
    assert all(node["state"] == "SUCCESS" and node["worker"] for node in run["graph"]["nodes"])
    assert run["code"].startswith(run_type if run_type != "single" else "add")


def test_celery_keeps_the_ids_that_were_recorded(client: httpx.Client) -> None:
    started = start(client, "/chord")
    first, second, body = (node["id"] for node in started["graph"]["nodes"])
    assert started["graph"]["edges"] == [[first, body], [second, body]]
    assert started["chord_id"] == started["task_id"] == body
    run = finished(client, body)
    assert [node["result"] for node in run["graph"]["nodes"]] == [5, 6, "Final result: [5, 6]"]
    assert [node["task"].rpartition(".")[2] for node in run["graph"]["nodes"]] == ["add", "multiply", "finalize"]


def test_states_change_in_the_order_of_a_chain(client: httpx.Client) -> None:
    nodes = finished(client, start(client, "/chain")["task_id"])["graph"]["nodes"]
    times = [time for node in nodes for time in (node["started_at"], node["finished_at"])]
    assert times == sorted(times)


def test_a_group_names_its_members_and_each_answers(client: httpx.Client) -> None:
    started = start(client, "/group")
    assert started["group_id"] == started["task_id"]
    finished(client, started["task_id"])
    for task_id, result in zip(started["task_ids"], [5, 6], strict=True):
        member = client.get(f"/result/{task_id}").json()
        assert (member["status"], member["result"], member["run_id"]) == ("SUCCESS", result, started["task_id"])
        assert len(member["graph"]["nodes"]) == 2


@pytest.mark.parametrize(
    ("query", "body", "data"), [("?message=Hello", None, "Hello"), ("", {"data": [1, None]}, [1, None])]
)
def test_a_task_tells_what_celery_tells_it(client: httpx.Client, query: str, body: Any, data: Any) -> None:
    started = start(client, f"/test-request-info{query}", body)
    result = finished(client, started["task_id"])["result"]
    assert result["task_id"] == result["root_id"] == started["task_id"]
    assert (result["data"], result["args"], result["kwargs"], result["retries"]) == (data, [data], {}, 0)
    assert (result["group"], result["parent_id"]) == (None, None)
    assert result["task_name"].endswith(".request_info")


def test_a_state_of_a_tasks_own_is_kept(client: httpx.Client, worker: Process) -> None:
    since = len(worker.output)
    started = start(client, "/test-request-info")
    assert finished(client, started["task_id"])["status"] == "SUCCESS"
    wait_for(lambda: f"[{started['task_id']}] succeeded" in worker.output[since:], what="the end in the log")
    assert "Dropped" not in worker.output[since:]
    own = str(uuid4())
    celery_app.backend.store_result(own, {"done": 1, "of": 2}, "PROGRESS")
    assert [celery_app.AsyncResult(own).state for _ in range(2)] == ["PROGRESS", "PROGRESS"]


def test_a_document_is_analyzed_in_a_chain(client: httpx.Client) -> None:
    name = client.get("/documents").json()[0]["name"]
    run = finished(client, start(client, f"/documents/{quote(name)}/analyze")["task_id"])
    assert run["status"] == "SUCCESS", run["verdict"]
    assert [node["task"].rpartition(".")[2] for node in run["graph"]["nodes"]] == ["extract", "analyze", "report"]
    assert run["result"]["documents"] == [name]


def test_all_documents_are_analyzed_side_by_side(client: httpx.Client) -> None:
    names = [each["name"] for each in client.get("/documents").json()]
    assert len(names) >= 5
    run = finished(client, start(client, "/documents/analyze")["task_id"])
    assert run["status"] == "SUCCESS", run["verdict"]
    assert [analysis["document"] for analysis in run["result"]] == names
    assert {analysis["language"] for analysis in run["result"]} >= {"en", "ko"}


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_report_names_every_document(client: httpx.Client, count: int) -> None:
    names = [each["name"] for each in client.get("/documents").json()][:count]
    run = finished(client, start(client, "/documents/report", {"documents": names})["task_id"])
    assert run["status"] == "SUCCESS", run["verdict"]
    assert run["result"]["documents"] == names
    assert run["progress"]["total"] == 2 * count + 1


def test_a_failure_skips_what_waits_for_it(client: httpx.Client) -> None:
    client.post("/documents", files={"file": ("gone.txt", b"Soon gone.", "text/plain")})
    started = start(client, "/documents/report", {"documents": ["gone.txt"]})
    assert client.delete("/documents/gone.txt").status_code in (204, 404)
    run = finished(client, started["task_id"])
    states = [node["state"] for node in run["graph"]["nodes"]]
    assert states in (["SUCCESS"] * 3, ["FAILURE", "SKIPPED", "SKIPPED"], ["SUCCESS", "FAILURE", "SKIPPED"])
    if run["failed"]:
        assert "merge, the callback of its chord, did not run" in run["verdict"]
        assert run["error"]["type"] in ("NotFound", "Invalid")


def test_runs_are_listed_in_pages(client: httpx.Client) -> None:
    made = [start(client, "/add", {"x": 1, "y": number})["task_id"] for number in range(3)]
    for task_id in made:
        finished(client, task_id)
    page = client.get("/runs?limit=2&type=single&status=SUCCESS")
    assert [run["task_id"] for run in page.json()] == made[:0:-1]
    assert client.get(page.links["next"]["url"]).json()[0]["task_id"] == made[0]
    assert all(run["type"] == "group" for run in client.get("/runs?type=group").json())


def test_an_id_that_was_never_submitted_is_unknown(client: httpx.Client) -> None:
    answer = client.get(f"/result/{uuid4()}")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert client.get(f"/runs?before={uuid4()}").status_code == 404


def test_a_job_is_told_from_a_run_that_does_not_exist(client: httpx.Client) -> None:
    job = client.post("/jobs", json={"delay_seconds": 3600}).json()
    path = f"/result/{job['task_id']}"
    refusals = [
        client.post(f"{path}/cancel"),
        client.post(f"{path}/cancel?terminate=true"),
        client.post(f"{path}/retry"),
    ]
    refusals += [client.delete(path), client.get(f"/runs?before={job['task_id']}")]
    for answer in refusals:
        refused = answer.json()
        assert (answer.status_code, refused["code"], refused["values"]) == (409, "not_a_run", {"id": job["job_id"]})
        assert f"POST /jobs/{job['job_id']}/cancel" in refused["detail"]
    assert client.post(f"/jobs/{job['job_id']}/cancel").status_code == 202
