"""SIGTERM or Ctrl-C for a worker: nothing is lost, no failure is counted, and it ends in time, under every pool."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import httpx2 as httpx
import psutil
import pytest

from tests.acceptance.chaos.stack import Stack
from tests.acceptance.quitting_worker import REASON
from tests.acceptance.test_durability import in_step, kinds
from tests.acceptance.test_jobs import ended, submit
from tests.support import Process, running_worker, wait_for

PROMISED_SECONDS = 8
POOLS = pytest.mark.parametrize("pool", ["prefork", "threads", "solo"])
QUITTING = "tests.acceptance.quitting_worker"


def to_main(worker: Process) -> None:
    """What `kill` does."""
    worker.popen.terminate()


def to_all(worker: Process) -> None:
    """What systemd does."""
    os.killpg(worker.popen.pid, signal.SIGTERM)


def interrupt_all(worker: Process) -> None:
    """What Ctrl-C does in a terminal."""
    os.killpg(worker.popen.pid, signal.SIGINT)


def lives(process: psutil.Process) -> bool:
    """Whether it is there, and no mere zombie."""
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def started_by(worker: Process) -> psutil.Process:
    """The process that a step has started."""

    def find() -> list[psutil.Process]:
        family = psutil.Process(worker.popen.pid).children(recursive=True)
        return [child for child in family if lives(child) and child.name() == "sleep"]

    return wait_for(find, what="the process of the step")[0]


@POOLS
@pytest.mark.parametrize(("stop", "remap"), [(to_main, ""), (to_all, ""), (interrupt_all, ""), (to_all, "SIGQUIT")])
def test_a_long_step_is_handed_back(
    client: httpx.Client, tmp_path: Path, pool: str, stop: Callable[[Process], None], remap: str
) -> None:
    environment = {"REMAP_SIGTERM": remap} if remap else {}
    with running_worker(tmp_path / "first.log", f"--pool={pool}", "--concurrency=2", env=environment) as first:
        job_id = submit(client, params={"step_seconds": 30}, max_attempts=1)
        wait_for(lambda: in_step(client, job_id, 1), what="step 1")
        family = psutil.Process(first.popen.pid).children(recursive=True)
        stop(first)
        assert first.popen.wait(PROMISED_SECONDS) == os.EX_OK
        wait_for(lambda: not any(map(lives, family)), what="the end of the children")
    job = client.get(f"/jobs/{job_id}").json()
    assert (job["status"], job["attempt"], job["error"]) == ("PENDING", 1, None)
    assert kinds(job)[-1] == "handed_back"
    assert client.post(f"/jobs/{job_id}/cancel").status_code == 202


@POOLS
def test_a_step_that_is_nearly_done_is_finished(client: httpx.Client, tmp_path: Path, pool: str) -> None:
    with running_worker(tmp_path / "first.log", f"--pool={pool}", "--concurrency=2") as first:
        job_id = submit(client, params={"step_seconds": 2})
        wait_for(lambda: in_step(client, job_id, 1), what="step 1")
        to_all(first)
        assert first.popen.wait(PROMISED_SECONDS) == os.EX_OK
    with running_worker(tmp_path / "second.log", f"--pool={pool}", "--concurrency=2"):
        job = ended(client, job_id)
    assert (job["status"], job["attempt"]) == ("COMPLETED", 2)
    assert job["steps"][0]["attempt"] == 1


def test_a_rolling_restart_under_load_loses_nothing(client: httpx.Client, tmp_path: Path) -> None:
    made = [submit(client, params={"step_seconds": 0.2}, max_attempts=1) for _ in range(40)]
    for number in range(3):
        with running_worker(tmp_path / f"worker{number}.log") as process:
            process.wait_for_line("begins at step")
            process.popen.terminate()
            process.popen.wait(PROMISED_SECONDS)
    with running_worker(tmp_path / "last.log"):
        jobs = [ended(client, job_id) for job_id in made]
    assert {job["status"] for job in jobs} == {"COMPLETED"}
    assert "lost" not in {kind for job in jobs for kind in kinds(job)}


def test_an_idle_worker_ends_and_leaves_nothing(tmp_path: Path, valkey: object, postgres: object) -> None:
    left = tmp_path / "left"
    left.mkdir()
    with running_worker(tmp_path / "idle.log", env={"TMPDIR": str(left)}) as process:
        process.popen.terminate()
        assert process.popen.wait(PROMISED_SECONDS) == os.EX_OK
    assert [*left.iterdir()] == []


@POOLS
@pytest.mark.parametrize("steps", ["raise", "exit"])
def test_a_step_whose_own_process_was_stopped_with_the_worker_is_handed_back(
    client: httpx.Client, tmp_path: Path, pool: str, steps: str
) -> None:
    options = (f"--pool={pool}", "--concurrency=2")
    with running_worker(tmp_path / "first.log", *options, env={"STEPS": steps}, module=QUITTING) as first:
        job_id = submit(client, params={"step_seconds": 30}, max_attempts=1)
        wait_for(lambda: in_step(client, job_id, 1), what="step 1")
        started_by(first)
        to_all(first)
        assert first.popen.wait(PROMISED_SECONDS) == os.EX_OK
    job = client.get(f"/jobs/{job_id}").json()
    assert (job["status"], job["error"], kinds(job)[-1]) == ("PENDING", None, "handed_back")
    assert client.post(f"/jobs/{job_id}/cancel").status_code == 202


@POOLS
def test_a_step_that_looks_can_end_its_own_process_before_its_worker_ends(
    client: httpx.Client, tmp_path: Path, pool: str
) -> None:
    options = (f"--pool={pool}", "--concurrency=2")
    with running_worker(tmp_path / "first.log", *options, env={"STEPS": "look"}, module=QUITTING) as first:
        job_id = submit(client, params={"step_seconds": 60}, max_attempts=1)
        program = started_by(first)
        to_main(first)
        assert first.popen.wait(PROMISED_SECONDS) == os.EX_OK
        assert not lives(program)
    assert client.get(f"/jobs/{job_id}").json()["status"] == "PENDING"
    assert client.post(f"/jobs/{job_id}/cancel").status_code == 202


@POOLS
def test_a_step_that_calls_exit_has_failed_of_it(client: httpx.Client, tmp_path: Path, pool: str) -> None:
    with running_worker(tmp_path / "first.log", f"--pool={pool}", "--concurrency=1", module=QUITTING) as worker:
        job = ended(client, submit(client, params={"step_seconds": 0}, max_attempts=2))
        assert (job["status"], job["error"], job["attempt"]) == ("FAILED", f"SystemExit: {REASON}", 2)
        assert kinds(job) == ["created", "started", "step_failed", "started", "failed"]
        assert worker.popen.poll() is None


@pytest.mark.parametrize("pool", ["prefork", "solo"])
def test_a_worker_ends_though_no_server_answers(stack: Stack, pool: str) -> None:
    client = stack.add_api()
    (worker,) = stack.add_workers("cut_off", options=(f"--pool={pool}", "--concurrency=2"))
    stack.holder(submit(client, params={"step_seconds": 60}), attempt=1)
    assert worker.process is not None
    family = psutil.Process(worker.pid).children(recursive=True)
    for server in (worker.postgres, worker.valkey):
        server.freeze()
    worker.process.popen.terminate()
    assert worker.process.popen.wait(PROMISED_SECONDS) == os.EX_OK
    wait_for(lambda: not any(map(lives, family)), what="the end of the children")
    for server in (worker.postgres, worker.valkey):
        server.thaw()
