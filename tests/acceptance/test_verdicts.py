"""What is said of a run while it waits, while it runs, and long after."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from sqlalchemy import text

from background.celery import RESULTS_KEPT_SECONDS, celery_app
from tests.acceptance.test_canvas import finished, start
from tests.acceptance.test_playground import ECHO, task
from tests.support import Process, running_worker, transaction, wait_for


def says(client: httpx.Client, run: str, sentence: str) -> None:
    """Wait until the run's verdict is this pattern."""

    def look() -> bool:
        return re.fullmatch(sentence, client.get(f"/result/{run}").json()["verdict"]) is not None

    wait_for(look, what=sentence)


def test_a_run_waits_and_runs(client: httpx.Client, tmp_path: Path) -> None:
    first, second = (start(client, "/canvas", {"chain": [task("sleep", 6), ECHO]})["task_id"] for _ in range(2))
    says(client, first, r"Waiting for a worker: none is alive\.")
    with running_worker(tmp_path / "w.log", "--pool=prefork", "--concurrency=1"):
        says(client, first, r"Running since \d\d:\d\d:\d\d UTC: sleep\.")
        says(client, second, r"Waiting for a worker: 1 message is in the queue, 1 alive\.")
        for run in (first, second):
            assert finished(client, run)["verdict"] == "All 2 tasks succeeded."


def test_a_run_is_known_when_celery_has_forgotten_it(client: httpx.Client, tmp_path: Path) -> None:
    with running_worker(tmp_path / "w.log"):
        run = finished(client, start(client, "/chain")["task_id"])
        result = celery_app.AsyncResult(run["task_id"])
        wait_for(lambda: result.state == "SUCCESS", what="Celery's word")
    age_by = text("UPDATE runs SET updated_at = updated_at - :seconds * interval '1 second' WHERE task_id = :run")
    with transaction() as connection:
        connection.execute(age_by, {"seconds": RESULTS_KEPT_SECONDS + 60, "run": run["task_id"]})
    result.forget()
    assert celery_app.AsyncResult(run["task_id"]).state == "PENDING"
    old = client.get(f"/result/{run['task_id']}").json()
    assert (old["status"], old["result"]) == ("SUCCESS", "Final result: 50")
    assert old["verdict"] == "All 3 tasks succeeded. Celery's own results have expired; this is the record."


@pytest.fixture(scope="module")
def busy_worker(client: httpx.Client, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """One process, so that one task keeps all others waiting."""
    with running_worker(tmp_path_factory.mktemp("verdicts") / "w.log", "--pool=prefork", "--concurrency=1") as process:
        yield process


def behind(client: httpx.Client, canvas: dict[str, Any]) -> dict[str, Any]:
    """What becomes of a canvas that waits behind another."""
    first = start(client, "/canvas", task("sleep", 3))["task_id"]
    wait_for(lambda: client.get(f"/result/{first}").json()["status"] == "STARTED", what="the sleep")
    return finished(client, start(client, "/canvas", canvas)["task_id"])


SO = "So finalize, the callback of its chord, did not run"
FAIL, EXPIRING = task("fail", "boom", priority=0), task("echo", 1, expires=0.3)


@pytest.mark.usefixtures("busy_worker")
@pytest.mark.parametrize(
    ("canvas", "verdict"),
    [
        ({"group": [FAIL, EXPIRING]}, "fail failed: RuntimeError: boom. Expired: echo."),
        (
            {"chord": {"header": [FAIL, EXPIRING], "body": task("finalize")}},
            f"fail failed: RuntimeError: boom. {SO}. Expired: echo.",
        ),
        (
            {"chord": {"header": [task("add", 1, 2), EXPIRING], "body": task("finalize")}},
            f"echo had expired before a worker took it. {SO}; add in the same header still ran.",
        ),
    ],
    ids=["group", "chord", "alone"],
)
def test_a_verdict_agrees_with_status_and_error(client: httpx.Client, canvas: dict[str, Any], verdict: str) -> None:
    run = behind(client, canvas)
    assert run["verdict"] == verdict
    failed = "boom" in verdict
    assert (run["status"], run["error"] is not None) == ("FAILURE" if failed else "REVOKED", failed)


@pytest.mark.usefixtures("busy_worker")
def test_a_task_that_expires_between_two_tries(client: httpx.Client) -> None:
    run = finished(client, start(client, "/canvas", task("flaky", 100, expires=3))["task_id"])
    said = r"flaky failed (once|\d+ times): RuntimeError: try \d+ fails; it had expired before its next try\."
    assert re.fullmatch(said, run["verdict"]), run["verdict"]
    assert run["graph"]["nodes"][0]["error"]["message"] == "It had expired before its next try."


@pytest.mark.usefixtures("busy_worker")
def test_a_run_cancelled_in_its_last_task_is_revoked_and_a_retry_hands_on(client: httpx.Client) -> None:
    run = start(client, "/canvas", {"chain": [task("echo", 1), task("sleep", 3, immutable=True)]})["task_id"]
    says(client, run, r"Running since .* sleep\. 1 of 2 tasks are done\.")
    assert client.post(f"/result/{run}/cancel").status_code == 202
    says(client, run, r"Cancelled: sleep may still finish\.")
    ended = finished(client, run)
    assert (ended["status"], ended["result"]) == ("REVOKED", 3)
    assert ended["verdict"] == "Cancelled when every task had begun; all of them succeeded."
    (listed,) = client.get("/runs?limit=1").json()
    assert listed["verdict"] == ended["verdict"]
    assert client.post(f"/result/{run}/retry").status_code == 202
    again = finished(client, run)
    assert (again["status"], again["result"], again["verdict"]) == ("SUCCESS", 3, "All 2 tasks succeeded.")
    kept = [[(node["started_at"], node["starts"]) for node in each["graph"]["nodes"]] for each in (ended, again)]
    assert kept[0] == kept[1]


@pytest.mark.usefixtures("busy_worker")
def test_a_cancelled_run_tells_of_what_failed_before(client: httpx.Client) -> None:
    canvas = {"group": [FAIL, task("sleep", 3)]}
    run = start(client, "/canvas", canvas)["task_id"]
    says(client, run, r"fail failed: RuntimeError: boom\. sleep still runs\.")
    assert client.post(f"/result/{run}/cancel").status_code == 202
    says(client, run, r"Cancelled: sleep may still finish\. fail failed: RuntimeError: boom\.")
    ended = finished(client, run)
    assert (ended["status"], ended["error"]["message"]) == ("REVOKED", "boom")
    said = "Cancelled when every task had begun; 1 of 2 succeeded. fail failed: RuntimeError: boom."
    assert ended["verdict"] == said
