"""The command line follows jobs and runs on the API's event streams."""

import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import httpx2 as httpx
import pytest

from tests.acceptance.command_line import Cli
from tests.support import ROOT, Process, free_port, wait_for

pytestmark = pytest.mark.usefixtures("worker")


@pytest.fixture
def cli(client: httpx.Client) -> Cli:
    """The command line, for the API of the tests."""
    return Cli(str(client.base_url))


def test_a_job_is_waited_for(cli: Cli) -> None:
    job = cli.json("submit", "-p", "step_seconds=0.2", "--wait")
    assert (job["status"], len(job["steps"])) == ("COMPLETED", 3)
    assert "COMPLETED" in cli("submit", "-p", "step_seconds=0", "--wait")
    failing = ["submit", "-p", "step_seconds=0", "-p", "fail_at_step=2", "--max-attempts", "1"]
    assert cli.json(*failing, "--wait", code=1)["status"] == "FAILED"


def test_a_job_is_watched_step_by_step(cli: Cli) -> None:
    words = ["submit", "-p", "step_seconds=0.3", "-p", "fail_at_step=2", "--max-attempts", "1", "--watch"]
    shown = cli(*words, code=1).splitlines()
    number = shown[-1].split()[1]
    assert shown[-1] == f"Job {number} is FAILED: RuntimeError: Step 2 failed, as fail_at_step asks for."
    assert f"Job {number}: step 1 COMPLETED: Step 1 completed successfully" in shown
    assert f"Job {number}: step 2 IN_PROGRESS: Processing step 2" in shown
    assert cli("watch", number, code=1).splitlines()[-1] == shown[-1]


def test_the_events_of_a_job_are_lines_for_a_script(cli: Cli) -> None:
    events = [json.loads(line) for line in cli("submit", "-p", "step_seconds=0.2", "--watch", "--json").splitlines()]
    numbers = [int(event["id"]) for event in events]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert events[-1]["event"] == "completed"
    assert events[-1]["data"]["status"] == "COMPLETED"


@pytest.mark.parametrize(("words", "sign"), [(["--json"], '"event": "completed"'), ([], "demo: completed")])
def test_all_jobs_are_watched_until_ctrl_c(cli: Cli, tmp_path: Path, words: list[str], sign: str) -> None:
    watching = Process([sys.executable, "-m", "background", "watch", *words], log=tmp_path / "watch.log", env=cli.env)

    def submit_and_look() -> bool:
        # Where the stream begins is not for the test to say.
        cli("submit", "-p", "step_seconds=0")
        return sign in watching.output

    try:
        wait_for(submit_and_look, what="an event")
        watching.popen.send_signal(signal.SIGINT)
        assert watching.popen.wait(20) == 130
    finally:
        watching.kill()
    lines = watching.output.splitlines()
    assert all(json.loads(line)["data"]["id"] if words else line.startswith("Job ") for line in lines)


def test_a_terminal_gets_bars(cli: Cli) -> None:
    leader, follower = pty.openpty()
    words = [sys.executable, "-m", "background", "submit", "-p", "step_seconds=0.3", "--watch"]
    with subprocess.Popen(words, cwd=ROOT, env={**cli.env, "TERM": "xterm"}, stdout=follower) as process:
        os.close(follower)
        shown = b""
        with open(leader, "rb", buffering=0) as screen, contextlib.suppress(OSError):  # noqa: PTH123 - no path
            while part := screen.read(65536):
                shown += part
    assert process.returncode == 0
    assert "━" in shown.decode()
    assert all(f"{number} {name}" in shown.decode() for number, name in enumerate(["prepare", "process", "publish"], 1))


def test_a_job_is_watched_through_a_restart_of_the_api(cli: Cli, tmp_path: Path) -> None:
    port = free_port()
    argv = [sys.executable, "-m", "uvicorn", "main:app", "--port", str(port)]
    cli.env["PLAYGROUND_URL"] = f"http://127.0.0.1:{port}"
    for number in range(2):
        api = Process(argv, log=tmp_path / "api.log")
        try:
            api.wait_for_line("Uvicorn running")
            if number == 0:
                watching = cli.start("submit", "-p", "step_seconds=1.5", "--watch", "--json")
                assert watching.stdout is not None
                first = watching.stdout.readline()
            else:
                rest = watching.communicate(timeout=60)[0]
        finally:
            api.kill()
    events = [json.loads(line) for line in [first, *rest.splitlines()]]
    numbers = [int(event["id"]) for event in events]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert (events[-1]["event"], watching.returncode) == ("completed", 0)


def test_a_run_is_waited_for(cli: Cli) -> None:
    run = cli.json("canvas", "-", "--wait", stdin='{"chain": [{"task": "sleep", "args": [0.3]}, {"task": "echo"}]}')
    assert (run["status"], run["progress"]) == ("SUCCESS", {"completed": 2, "total": 2})
    assert "SUCCESS, 2 of 2" in cli("result", run["task_id"], "--wait")
    failed = cli("canvas", "-", "--wait", stdin='{"task": "fail", "args": ["no"]}', code=1)
    assert "FAILURE, 0 of 1" in failed
