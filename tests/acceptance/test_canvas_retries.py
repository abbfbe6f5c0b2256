"""Retries of runs as people ask for them: while workers are busy, twice, at once, while messages still wait."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from tests.acceptance.test_canvas import finished, start
from tests.acceptance.test_playground import ECHO, states, task
from tests.support import Process, running_worker, wait_for


@pytest.fixture(scope="module")
def worker(client: httpx.Client, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """One process, so that one long task keeps all others waiting; it gives up after two seconds of silence."""
    log = tmp_path_factory.mktemp("retries") / "w.log"
    options = ("--pool=prefork", "--concurrency=1")
    with running_worker(log, *options, env={"LEASE_SECONDS": "2"}) as process:
        yield process


def look(client: httpx.Client, task_id: str) -> dict[str, Any]:
    """The run now."""
    return dict(client.get(f"/result/{task_id}").json())


def test_a_retry_behind_a_busy_worker_is_not_lost(client: httpx.Client, worker: Process) -> None:
    canvas = {"chain": [task("add", 1, 2, countdown=0.1, expires=0.5), task("fail", "no", immutable=True), ECHO]}
    run = finished(client, start(client, "/canvas", canvas)["task_id"])
    busy = start(client, "/canvas", task("sleep", 9))
    wait_for(lambda: look(client, busy["task_id"])["status"] == "STARTED", what="the sleep")
    assert client.post(f"/result/{run['task_id']}/retry").status_code == 202
    seen = set()
    while not look(client, busy["task_id"])["ready"]:
        seen.add(look(client, run["task_id"])["status"])
    # It may have begun before the record of the sleep's end is written.
    assert seen - {"STARTED"} == {"PENDING"}
    again = finished(client, run["task_id"])
    assert (again["error"], states(again)) == (run["error"], states(run))


def test_retries_and_cancellations_in_quick_succession_leave_nothing_behind(
    client: httpx.Client, worker: Process
) -> None:
    canvas = {"chain": [task("echo", 1), task("sleep", 0.3, immutable=True), task("finalize", link_error=[ECHO])]}
    runs = [start(client, "/canvas", canvas)["task_id"] for _ in range(3)]
    for task_id in runs:
        wait_for(lambda task_id=task_id: look(client, task_id)["progress"]["completed"] > 0, what="the echo")  # type: ignore[misc]
        for action in ("cancel?terminate=true", "retry", "cancel", "retry", "cancel", "retry"):
            assert client.post(f"/result/{task_id}/{action}").status_code in (202, 409)
    for task_id in runs:
        run = finished(client, task_id)
        if run["status"] == "REVOKED":
            assert client.post(f"/result/{task_id}/retry").status_code == 202
            run = finished(client, task_id)
        assert (run["status"], [name for name, _ in states(run)]) == ("SUCCESS", ["echo", "sleep", "finalize", "echo"])
        assert {state for _, state in states(run)} == {"SUCCESS", "SKIPPED"}


def test_a_run_whose_api_died_before_it_could_publish(client: httpx.Client, worker: Process, tmp_path: Path) -> None:
    """It is recorded, and nobody has its message: it is lost, and a retry goes on."""
    from background.broker import marks
    from background.canvas.spec import task as task_of
    from background.task_names import TaskName
    from tests.support import record_only, transaction

    run, _ = record_only(task_of(TaskName.ADD, 1, 2), epoch=marks.epoch(new="unused"))
    with transaction() as connection:
        connection.exec_driver_sql(
            "UPDATE runs SET updated_at = now() - interval '1 minute' WHERE task_id = %(id)s", {"id": run}
        )
    lost = finished(client, run)
    assert (lost["reason"]["code"], lost["reason"]["how"]) == ("lost", "unpublished")
    assert client.post(f"/result/{run}/retry").status_code == 202
    assert finished(client, run)["result"] == 3


@pytest.mark.parametrize("path", ["/canvas", "/canvas/preview"])
@pytest.mark.parametrize(
    "canvas",
    [
        {"chunks": {"task": "add", "it": [[1, 2]], "n": 10**30}},
        task("add", 1, 2, eta="9999-12-31T23:59:59-14:00"),
        task("add", 1, 2, eta="0001-01-01T00:00:00+14:00"),
        task("add", 1, 2, eta=12345),
        task("add", 1, 2, eta="2000-01-01T00:00:00+23:59"),
        task("add", 1, 2, eta="2200-12-31T23:59:59-23:59"),
    ],
)
def test_what_no_clock_or_counter_holds_is_refused(client: httpx.Client, path: str, canvas: dict[str, Any]) -> None:
    assert client.post(path, json=canvas).status_code == 422


@pytest.mark.parametrize("eta", ["2001-01-01T00:00:00+23:59", "2000-01-01T00:00:00-23:59"])
def test_a_time_of_any_zone_is_taken(client: httpx.Client, worker: Process, eta: str) -> None:
    assert client.post("/canvas/preview", json=task("add", 1, 2, eta=eta)).status_code == 200
    assert finished(client, start(client, "/canvas", task("add", 1, 2, eta=eta))["task_id"])["result"] == 3
