"""What becomes of a canvas task whose worker is stopped or dies: it is run again, but not for ever and not twice."""

import os
import re
import signal
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2 as httpx
import psutil
import pytest
from sqlalchemy import text

from background.broker import server
from background.canvas import judge, service
from background.canvas.spec import chain, task
from background.canvas.sql import tasks
from background.celery import celery_app
from background.local.postgres import EmbeddedPostgres
from background.task_names import TaskName
from tests.acceptance.test_canvas import finished
from tests.support import Process, end, running_worker, transaction, wait_for

ONE_CHILD = ("--pool=prefork", "--concurrency=1")
FAIL, CALLED = {"task": "fail", "args": ["no"]}, {"task": "finalize"}
NEVER_WRITES = "tests.acceptance.late_recorder"
GOES_ON_LATE = "tests.acceptance.late_publisher"


def start_sleep(seconds: float) -> str:
    """Start a chain of a sleep and an echo; gives the id of the run."""
    return str(service.submit(chain(task(TaskName.SLEEP, seconds), task(TaskName.ECHO))).task_id)


def sleeping(client: httpx.Client, run: str, *, on: str = "") -> bool:
    """Whether the run's first task is at work, on this worker."""
    node: dict[str, Any] = client.get(f"/result/{run}").json()["graph"]["nodes"][0]
    return node["state"] == "STARTED" and (node["worker"] or "").startswith(on)


def has_told(client: httpx.Client, run: str, kind: str) -> bool:
    """Whether the run's history has such an event."""
    return any(each["kind"] == kind for each in client.get(f"/result/{run}/history").json())


def has_begun(run: str, *, times: int) -> bool:
    """Whether the run's first task has begun so often."""
    statement = text("SELECT starts FROM run_tasks JOIN runs ON runs.id = run_id WHERE task_id = :run AND position = 0")
    with transaction() as connection:
        return bool(connection.execute(statement, {"run": run}).scalar_one() == times)


def child_of(worker: Process) -> int:
    """The one process of its pool."""
    return wait_for(lambda: [child.pid for child in psutil.Process(worker.popen.pid).children()], what="a child")[0]


@pytest.mark.parametrize("pool", ["prefork", "threads", "solo"])
def test_a_planned_stop_gives_the_message_back(client: httpx.Client, tmp_path: Path, pool: str) -> None:
    options = (f"--pool={pool}", "--concurrency=2")
    with running_worker(tmp_path / "first.log", *options) as first:
        run = start_sleep(12)
        wait_for(lambda: sleeping(client, run), what="the sleep")
        first.popen.terminate()
        just_taken = client.post("/add", json={"x": 1, "y": 2}).json()["task_id"]
        first.popen.wait(10)
        with running_worker(tmp_path / "second.log", *options):
            wait_for(lambda: sleeping(client, run, on="second"), what="the sleep on the second worker")
            assert [finished(client, each)["status"] for each in (just_taken, run)] == ["SUCCESS", "SUCCESS"]


def test_what_a_planned_stop_hands_back_of_a_cancelled_run_is_over(client: httpx.Client, tmp_path: Path) -> None:
    with running_worker(tmp_path / "first.log", "--pool=threads", "--concurrency=1") as first:
        run = start_sleep(12)
        wait_for(lambda: sleeping(client, run), what="the sleep")
        client.post(f"/result/{run}/cancel").raise_for_status()
        first.popen.terminate()
        first.popen.wait(10)
    ended = client.get(f"/result/{run}").json()
    assert (ended["ready"], ended["status"], ended["graph"]["nodes"][0]["state"]) == (True, "REVOKED", "REVOKED")


def test_a_task_whose_process_is_killed_begins_again(client: httpx.Client, tmp_path: Path) -> None:
    with running_worker(tmp_path / "first.log", *ONE_CHILD) as worker:
        run = start_sleep(2)
        wait_for(lambda: sleeping(client, run), what="the sleep")
        os.kill(child_of(worker), signal.SIGKILL)
        outcome = finished(client, run)
    assert (outcome["status"], outcome["result"]) == ("SUCCESS", 2)


def test_a_task_that_always_loses_its_process_ends(client: httpx.Client, tmp_path: Path) -> None:
    with running_worker(tmp_path / "first.log", *ONE_CHILD) as worker:
        run = start_sleep(30)
        for number in range(3):
            wait_for(partial(has_begun, run, times=number + 1), what=f"start {number + 1}")
            os.kill(child_of(worker), signal.SIGKILL)
        outcome = finished(client, run)
    assert (outcome["status"], outcome["error"]["type"]) == ("FAILURE", "WorkerLost")
    assert [node["state"] for node in outcome["graph"]["nodes"]] == ["FAILURE", "SKIPPED"]
    # The fourth time its message came it was given up.
    assert (outcome["graph"]["nodes"][0]["starts"], outcome["reason"]["tries"]) == (3, 3)
    assert outcome["verdict"].startswith("sleep failed after 3 tries: WorkerLost: Begun 3 times;")


def test_a_message_that_comes_twice_runs_once(client: httpx.Client, tmp_path: Path) -> None:
    with running_worker(tmp_path / "first.log", *ONE_CHILD) as worker:
        run = start_sleep(0.1)
        before = finished(client, run)
        first = before["graph"]["nodes"][0]
        # As Redis hands it out again: the same id, and what is to follow.
        echo = celery_app.signature(TaskName.ECHO.value, task_id=run)
        celery_app.signature(TaskName.SLEEP.value, args=(0.1,), task_id=first["id"], link=echo).apply_async()
        worker.wait_for_line(f"{first['id']}] succeeded")
        wait_for(lambda: worker.output.count(f"{run}] succeeded") == 2, what="the echo, again")
        assert client.get(f"/result/{run}").json() == before
        assert has_begun(run, times=1)


def test_a_killed_workers_canvas_is_lost_until_it_is_retried(client: httpx.Client, tmp_path: Path) -> None:
    lease = {"LEASE_SECONDS": "3"}
    with running_worker(tmp_path / "first.log", *ONE_CHILD, env=lease) as first:
        run = start_sleep(3)
        wait_for(lambda: sleeping(client, run), what="the sleep")
        first.kill()
    with running_worker(tmp_path / "second.log", *ONE_CHILD, env=lease):
        lost = finished(client, run)
        assert (lost["status"], lost["error"]["type"]) == ("FAILURE", "Lost")
        assert "sleep was lost: the worker first@" in lost["verdict"]
        assert lost["reason"]["code"] == "lost"
        assert client.post(f"/result/{run}/retry").status_code == 202
        assert finished(client, run)["result"] == 3


def test_a_lost_task_that_comes_after_all_goes_on(client: httpx.Client, tmp_path: Path) -> None:
    run = start_sleep(0.1)
    first = client.get(f"/result/{run}").json()["graph"]["nodes"][0]["id"]
    with transaction() as connection:
        error = '{"type": "Lost", "message": "it seems"}'
        end(connection, first, "FAILURE", error)
        (number,) = tasks.closed(connection, closed=[first])
        judge.judge(connection, number)
    assert client.get(f"/result/{run}").json()["status"] == "FAILURE"
    with running_worker(tmp_path / "first.log", *ONE_CHILD):
        wait_for(lambda: client.get(f"/result/{run}").json()["status"] == "SUCCESS", what="the success")
    outcome = client.get(f"/result/{run}").json()
    assert outcome["progress"] == {"completed": 2, "total": 2}


def test_what_was_not_recorded_is_filled_in(client: httpx.Client, postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    with running_worker(tmp_path / "first.log", *ONE_CHILD, env={"LEASE_SECONDS": "3"}) as worker:
        run = start_sleep(2)
        wait_for(lambda: sleeping(client, run), what="the sleep")
        postgres.stop()
        try:
            worker.wait_for_line(f"{run}] succeeded")
        finally:
            postgres.start()
            postgres.wait_ready()
        outcome = finished(client, run)
    assert (outcome["status"], outcome["result"]) == ("SUCCESS", 2)


def test_what_celery_keeps_no_result_of_is_recorded_when_it_can_be(
    client: httpx.Client, postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    """The worker goes on where PostgreSQL was away, and says then what has begun and ended meanwhile."""
    ignored = {"task": "sleep", "args": [2], "ignore_result": True}
    canvas = {"chain": [ignored, {"task": "echo", "ignore_result": True}], "link": {"task": "fail"}}
    with running_worker(tmp_path / "first.log", *ONE_CHILD) as worker:
        run = client.post("/canvas", json=canvas).json()["task_id"]
        wait_for(lambda: sleeping(client, run), what="the sleep")
        postgres.stop()
        try:
            worker.wait_for_line("raised unexpected")
        finally:
            postgres.start()
            postgres.wait_ready()
        outcome = finished(client, run)
    nodes = outcome["graph"]["nodes"]
    assert [(node["state"], node["starts"]) for node in nodes] == [("SUCCESS", 1), ("SUCCESS", 1), ("FAILURE", 1)]
    assert all(node["started_at"] <= node["finished_at"] and node["worker"] for node in nodes)
    history = client.get(f"/result/{run}/history").json()
    assert [each["kind"] for each in history].count("started") == 3


@pytest.mark.parametrize("called", [{"task": "sleep", "args": [2]}, {"task": "fail", "args": ["no"], "countdown": 2}])
def test_so_it_is_where_its_process_is_killed_before(
    client: httpx.Client, postgres: EmbeddedPostgres, tmp_path: Path, called: dict[str, Any]
) -> None:
    """Its worker lives, and nobody else knows how the task has ended: it would be at work for ever."""
    canvas = {**called, "ignore_result": True}
    with running_worker(tmp_path / "first.log", *ONE_CHILD, env={"LEASE_SECONDS": "3"}) as worker:
        run = client.post("/canvas", json=canvas).json()["task_id"]
        worker.wait_for_line(f"{run}] received")
        wait_for(lambda: "countdown" in called or sleeping(client, run), what="the start")
        postgres.stop()
        try:
            wait_for(lambda: f"{run}] succeeded" in worker.output or f"{run}] raised" in worker.output, what="the end")
            os.kill(child_of(worker), signal.SIGKILL)
        finally:
            postgres.start()
            postgres.wait_ready()
        outcome = finished(client, run)
    (node,) = outcome["graph"]["nodes"]
    assert (node["state"], outcome["status"]) == (outcome["status"], "FAILURE" if "fail" in node["task"] else "SUCCESS")
    assert called["args"] == [node["error"]["message"] if node["error"] else node["result"]]


def test_so_it_is_of_calls_that_share_an_id(client: httpx.Client, postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    """Celery keeps one result of both, under an id that the record has not: they were told to be lost."""
    echo = {"task": "echo"}
    pair = [{"task": "echo", "args": [1]}, {"task": "echo", "args": [2]}]
    first = {"chord": {"header": pair, "body": {"group": [echo, echo]}}}
    sleep = {"task": "sleep", "args": [2], "immutable": True}
    canvas = {"chain": [first, {"chord": {"header": [sleep], "body": echo}}]}
    with running_worker(tmp_path / "first.log", *ONE_CHILD, env={"LEASE_SECONDS": "3"}) as worker:
        path = f"/result/{client.post('/canvas', json=canvas).json()['task_id']}"

        def sleeps() -> list[str]:
            nodes = client.get(path).json()["graph"]["nodes"]
            return sorted(node["state"] for node in nodes if node["task"].endswith("sleep"))

        wait_for(lambda: sleeps() == ["PENDING", "STARTED"], what="the first sleep")
        postgres.stop()
        try:
            wait_for(lambda: len(re.findall(r"sleep\[\S+\] succeeded", worker.output)) == 2, what="both sleeps")
            os.kill(child_of(worker), signal.SIGKILL)
        finally:
            postgres.start()
            postgres.wait_ready()
        wait_for(lambda: sleeps() == ["SUCCESS", "SUCCESS"], seconds=60, what="both successes")


def test_an_error_callback_that_ran_meanwhile_is_recorded(
    client: httpx.Client, postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    """Nobody could record that it was called, and so it was told never to have run."""
    canvas = {"task": "fail", "args": ["no"], "countdown": 2, "link_error": {"task": "finalize"}}
    with running_worker(tmp_path / "first.log", *ONE_CHILD, env={"LEASE_SECONDS": "3"}) as worker:
        run = client.post("/canvas", json=canvas).json()
        callback = run["graph"]["nodes"][1]["id"]
        worker.wait_for_line(f"{run['task_id']}] received")
        postgres.stop()
        try:
            worker.wait_for_line(f"{callback}] succeeded")
            os.kill(child_of(worker), signal.SIGKILL)
        finally:
            postgres.start()
            postgres.wait_ready()
        outcome = finished(client, run["task_id"])
    assert [node["state"] for node in outcome["graph"]["nodes"]] == ["FAILURE", "SUCCESS"]
    assert outcome["graph"]["nodes"][1]["result"] == f"Final result: {run['task_id']}"


def test_what_ended_just_before_its_process_was_killed_ends_its_run(client: httpx.Client, tmp_path: Path) -> None:
    """Its end is recorded, and not that nothing more comes of it: that took three minutes to be found."""
    canvas = {"chain": [{"task": "fail", "args": ["no"]}, {"task": "echo"}]}
    with running_worker(tmp_path / "first.log", *ONE_CHILD, module=NEVER_WRITES) as worker:
        run = client.post("/canvas", json=canvas).json()
        worker.wait_for_line(f"{run['graph']['nodes'][0]['id']}] raised")
        os.kill(child_of(worker), signal.SIGKILL)
        outcome = finished(client, run["task_id"], seconds=60)
    assert [node["state"] for node in outcome["graph"]["nodes"]] == ["FAILURE", "SKIPPED"]


@pytest.mark.parametrize(
    ("canvas", "kinds"),
    [
        ({**FAIL, "retries": 1}, ["started", "retried", "started", "failure"]),
        ({"task": "flaky", "args": [1]}, ["started", "retried", "started", "success"]),
    ],
)
def test_that_a_try_has_failed_is_known_before_the_next_one_can_begin(
    canvas: dict[str, Any], kinds: list[str], client: httpx.Client, tmp_path: Path
) -> None:
    """Celery publishes that while it is at the first: whoever is slow then wrote it into the next one, or behind it."""
    with running_worker(tmp_path / "worker.log", module=GOES_ON_LATE):
        run = client.post("/canvas", json=canvas).json()["task_id"]
        outcome = finished(client, run)
    history = client.get(f"/result/{run}/history").json()
    assert [each["kind"] for each in history if each["task_id"]] == kinds
    assert outcome["graph"]["nodes"][0]["retries"] == 1


def test_so_does_what_ended_just_before_its_worker_was_killed(client: httpx.Client, tmp_path: Path) -> None:
    """Once the broker has its message no more: nobody else knows that it was acknowledged."""
    canvas = {"chain": [{"task": "fail", "args": ["no"]}, {"task": "echo"}]}
    with running_worker(tmp_path / "first.log", *ONE_CHILD, module=NEVER_WRITES) as worker:
        run = client.post("/canvas", json=canvas).json()
        failed = run["graph"]["nodes"][0]["id"]
        worker.wait_for_line(f"{failed}] raised")
        # There are also messages of workers that were killed before.
        held = server.get_client().hvals
        wait_for(lambda: not any(failed.encode() in each for each in held("unacked")), what="the acknowledgement")
        worker.kill()
    with running_worker(tmp_path / "second.log", *ONE_CHILD, env={"LEASE_SECONDS": "3"}):
        outcome = finished(client, run["task_id"], seconds=60)
    assert [node["state"] for node in outcome["graph"]["nodes"]] == ["FAILURE", "SKIPPED"]


@pytest.mark.parametrize(
    ("canvas", "states"),
    [
        ({**FAIL, "link_error": CALLED}, ["FAILURE", "SUCCESS"]),
        ({"chain": [{**FAIL, "kwargs": {}}, {"task": "echo"}], "link_error": CALLED}, None),
        (
            {
                "chord": {
                    "header": [FAIL, {"task": "echo", "args": [1]}],
                    "body": {"task": "echo", "link_error": CALLED},
                }
            },
            ["FAILURE", "SUCCESS", "SKIPPED", "SUCCESS"],
        ),
        ({"chain": [{"task": "xsum", "args": [[]]}, {"task": "xsum", "link_error": CALLED}]}, None),
    ],
)
def test_a_failure_whose_process_died_before_it_called_anything_is_told(
    client: httpx.Client, tmp_path: Path, canvas: dict[str, Any], states: list[str] | None
) -> None:
    """As in Celery, where the task would be run again: its error callbacks are called, and its chord hears of it."""
    with running_worker(tmp_path / "first.log", *ONE_CHILD, module="tests.acceptance.dying_recorder"):
        outcome = finished(client, client.post("/canvas", json=canvas).json()["task_id"])
    nodes = outcome["graph"]["nodes"]
    if states is not None:
        assert [node["state"] for node in nodes] == states
    called = [node for node in nodes if node["task"].endswith("finalize")]
    assert [node["state"] for node in called].count("SUCCESS") == 1
    assert all(node["starts"] <= 1 for node in nodes)


def test_a_start_that_could_not_be_recorded_is_recorded_with_the_end(client: httpx.Client, tmp_path: Path) -> None:
    """An error callback, whose row somebody else holds when it begins."""
    canvas = {"task": "fail", "args": ["no"], "countdown": 0.5, "link_error": {"task": "fail"}}
    with running_worker(tmp_path / "first.log", *ONE_CHILD) as worker:
        with transaction() as connection:
            run = client.post("/canvas", json=canvas).json()
            errback = run["graph"]["nodes"][1]["id"]
            hold = text("SELECT FROM run_tasks WHERE id = :id FOR UPDATE")
            connection.execute(hold, {"id": errback})
            worker.wait_for_line(f"{errback}] raised unexpected")
        outcome = finished(client, run["task_id"])
    assert "could not be recorded" in worker.output
    assert [(node["state"], node["starts"]) for node in outcome["graph"]["nodes"]] == [("FAILURE", 1)] * 2


def test_so_is_that_of_one_of_several_calls_of_a_task(client: httpx.Client, tmp_path: Path) -> None:
    """An error callback of a chain that is a body stands at each step, under one id: which call it is must be asked."""
    body = {"chain": [{"task": "echo"}, {"task": "echo"}], "link_error": {"task": "finalize"}}
    canvas = {"chord": {"header": [{"task": "fail", "args": ["no"], "countdown": 0.5}], "body": body}}
    with running_worker(tmp_path / "first.log", *ONE_CHILD) as worker:
        with transaction() as connection:
            run = client.post("/canvas", json=canvas).json()
            hold = text("SELECT FROM run_tasks WHERE id = ANY (CAST(:ids AS uuid[])) FOR UPDATE")
            calls = [node["id"] for node in run["graph"]["nodes"] if node["task"].endswith("finalize")]
            connection.execute(hold, {"ids": calls})
            wait_for(lambda: "Final result" in worker.output, what="the callback")
        wait_for(lambda: client.get(f"/result/{run['task_id']}").json()["ready"], what="the end")
        outcome = finished(client, run["task_id"])
    assert "could not be recorded" in worker.output
    found = sorted((node["state"], node["starts"]) for node in outcome["graph"]["nodes"])
    assert found == sorted([("FAILURE", 1), ("SUCCESS", 1), *[("SKIPPED", 0)] * (len(calls) + 1)])


def test_of_calls_that_share_an_id_each_is_recorded_once(client: httpx.Client, tmp_path: Path) -> None:
    """Each member of the group publishes the second chord, under the same ids: Celery calls its body once or twice.

    The message tells another parent than the task that sends it; so one call was recorded as two, one of them unbegun.
    """
    echo = {"task": "echo"}
    pair = [{"task": "echo", "args": [1]}, {"task": "echo", "args": [2]}]
    first = {"chord": {"header": pair, "body": {"group": [echo, echo]}}}
    canvas = {"chain": [first, {"chord": {"header": [echo], "body": echo}}]}
    with running_worker(tmp_path / "first.log", env={"LEASE_SECONDS": "3"}) as worker:
        run = client.post("/canvas", json=canvas).json()
        wait_for(lambda: client.get(f"/result/{run['task_id']}").json()["ready"], what="the end")
        outcome = client.get(f"/result/{run['task_id']}").json()
        found = [(node["state"], node["starts"]) for node in outcome["graph"]["nodes"]]
        ran = found.count(("SUCCESS", 1))
        wait_for(lambda: worker.output.count("] succeeded in") == ran, what="the worker's words for each")
    assert outcome["type"] == "canvas"  # and not one of the calls
    assert set(found) <= {("SUCCESS", 1), ("FAILURE", 0)}  # the second is lost where Celery does not call it


def test_of_calls_that_share_an_id_all_are_killed(client: httpx.Client, tmp_path: Path) -> None:
    echo = {"task": "echo"}
    pair = [{"task": "echo", "args": [1]}, {"task": "echo", "args": [2]}]
    first = {"chord": {"header": pair, "body": {"group": [echo, echo]}}}
    sleep = {"task": "sleep", "args": [30], "immutable": True}
    with running_worker(tmp_path / "first.log"):
        run = client.post("/canvas", json={"chain": [first, {"chord": {"header": [sleep], "body": echo}}]}).json()
        path = f"/result/{run['task_id']}"

        def sleeps() -> list[dict[str, Any]]:
            nodes = client.get(path).json()["graph"]["nodes"]
            return [node for node in nodes if node["task"].endswith("sleep") and node["state"] != "PENDING"]

        wait_for(lambda: [node["state"] for node in sleeps()] == ["STARTED"] * 2, what="both sleeps")
        assert client.post(f"{path}/cancel?terminate=true").status_code == 202
        outcome = finished(client, run["task_id"])
    assert outcome["status"] == "REVOKED"
    assert [(node["state"], node["error"]["type"]) for node in sleeps()] == [("REVOKED", "Killed")] * 2
    assert outcome["verdict"].startswith("sleep(30) was killed while it ran.")


def test_a_worker_that_was_taken_for_lost_and_ends_its_task_has_not_lost_it(
    client: httpx.Client, tmp_path: Path
) -> None:
    lease = {"LEASE_SECONDS": "3"}
    with running_worker(tmp_path / "first.log", *ONE_CHILD, env=lease) as first:
        run = start_sleep(2)
        frozen = [first.popen.pid, child_of(first)]
        # Frozen before it had the answer that it may begin, it would ask, and begin, once more.
        wait_for(lambda: has_told(client, run, "started"), what="the sleep")
        for pid in frozen:
            os.kill(pid, signal.SIGSTOP)
        with running_worker(tmp_path / "second.log", *ONE_CHILD, env=lease):
            try:
                assert finished(client, run)["error"]["type"] == "Lost"
            finally:
                for pid in frozen:
                    os.kill(pid, signal.SIGCONT)
            wait_for(lambda: client.get(f"/result/{run}").json()["status"] == "SUCCESS", what="the success")
    nodes = client.get(f"/result/{run}").json()["graph"]["nodes"]
    assert [(node["state"], node["starts"], node["error"]) for node in nodes] == [("SUCCESS", 1, None)] * 2


def test_a_success_that_was_not_yet_written_is_filled_in(client: httpx.Client, tmp_path: Path) -> None:
    with running_worker(tmp_path / "first.log", *ONE_CHILD, module=NEVER_WRITES) as first:
        run = str(service.submit(task(TaskName.ADD, 1, 2)).task_id)
        first.wait_for_line(f"{run}] succeeded")
        first.kill()
    assert client.get(f"/result/{run}").json()["status"] == "STARTED"
    with running_worker(tmp_path / "second.log", *ONE_CHILD, env={"LEASE_SECONDS": "3"}):
        outcome = finished(client, run)
    assert (outcome["status"], outcome["result"]) == ("SUCCESS", 3)
    assert has_begun(run, times=1)


def test_a_success_that_was_not_yet_written_is_not_run_again(client: httpx.Client, tmp_path: Path) -> None:
    name = f"{uuid4()}.txt"
    client.post("/documents", files={"file": (name, b"It was here.")}).raise_for_status()
    with running_worker(tmp_path / "first.log", *ONE_CHILD, module=NEVER_WRITES) as first:
        run = str(service.submit(task(TaskName.EXTRACT, name)).task_id)
        first.wait_for_line(f"{run}] succeeded")
        first.kill()
    client.delete(f"/documents/{name}").raise_for_status()
    # As Redis hands it out again: it would fail now.
    celery_app.signature(TaskName.EXTRACT.value, args=(name,), task_id=run).apply_async()
    with running_worker(tmp_path / "second.log", *ONE_CHILD) as second:
        second.wait_for_line(f"{run}] succeeded")
        outcome = finished(client, run)
    assert (outcome["status"], outcome["result"]["document"]) == ("SUCCESS", name)


def test_a_process_that_ends_writes_what_is_left(client: httpx.Client, tmp_path: Path) -> None:
    with running_worker(tmp_path / "first.log", *ONE_CHILD, "--max-tasks-per-child=1", module=NEVER_WRITES) as worker:
        run = str(service.submit(task(TaskName.ADD, 1, 2)).task_id)
        worker.wait_for_line(f"{run}] succeeded")
        celery_app.AsyncResult(run).forget()  # so that nobody can fill the gap
        assert finished(client, run)["result"] == 3


def test_a_task_that_is_killed_for_its_time_limit_is_recorded(client: httpx.Client, tmp_path: Path) -> None:
    callback = task(TaskName.ECHO)
    with running_worker(tmp_path / "first.log", *ONE_CHILD):
        run = str(service.submit(task(TaskName.SLEEP, 30, time_limit=1.0, link_error=[callback])).task_id)
        outcome = finished(client, run)
    assert (outcome["status"], outcome["error"]["type"]) == ("FAILURE", "TimeLimitExceeded")
    assert [node["state"] for node in outcome["graph"]["nodes"]] == ["FAILURE", "SUCCESS"]
