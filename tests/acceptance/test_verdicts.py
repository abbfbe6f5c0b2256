"""What is said of a run while it waits, while it runs, and long after."""

import re
from pathlib import Path

import httpx2 as httpx
from sqlalchemy import text

from background.celery import RESULTS_KEPT_SECONDS, celery_app
from tests.acceptance.test_canvas import finished, start
from tests.acceptance.test_playground import ECHO, task
from tests.support import running_worker, transaction, wait_for


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
