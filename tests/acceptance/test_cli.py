"""The command line as a user has it: a real process, which talks to a real API with a real worker."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2 as httpx
import pytest
from sqlalchemy import text

from tests.acceptance.command_line import Cli
from tests.support import free_port, transaction, wait_for

pytestmark = pytest.mark.usefixtures("worker")

CHORD = {
    "chord": {
        "header": [{"task": "add", "args": [2, 3]}, {"task": "fail", "args": ["no"]}],
        "body": {"task": "finalize"},
    }
}


@pytest.fixture
def cli(client: httpx.Client) -> Cli:
    """The command line, for the API of the tests."""
    return Cli(str(client.base_url))


def ended(cli: Cli, job_id: int) -> Any:
    """The job once it has ended."""

    def look() -> Any:
        job = cli.json("job", job_id)
        return job if job["status"] in ("COMPLETED", "FAILED", "CANCELLED") else None

    return wait_for(look, what=f"the end of job {job_id}")


# ------------------------------------------------------------------------------------------------ jobs


def test_a_job_is_submitted_with_all_that_a_request_can_say(cli: Cli) -> None:
    options = ["--priority", "9", "--delay", "3600", "--max-attempts", "7", "--idempotency-key", f"cli-{uuid4()}"]
    words = ["submit", "demo", "--params", '{"step_seconds": 5, "fail_times": 2}', "-p", "step_seconds=0.1", *options]
    made = cli.json(*words)
    assert cli.json(*words) == made
    job = cli.json("job", made["job_id"])
    assert job["params"] == {"step_seconds": 0.1, "fail_times": 2, "fail_at_step": None}
    assert (job["priority"], job["max_attempts"], job["status"]) == (9, 7, "PENDING")
    assert "not due yet" in cli("job", job["id"])
    assert cli("submit", "--delay", "3600").startswith("Job ")


def test_what_is_done_to_all_jobs_that_are_meant(cli: Cli) -> None:
    tag, other = str(uuid4()), str(uuid4())
    words = ["submit", "--delay", "3600", "--tag", tag, "--tag", "nightly"]
    ids = [cli.json(*words, "-p", f"step_seconds={number % 2}")["job_id"] for number in range(4)]
    key = ["submit", "--delay", "3600", "--tag", other, "--unique-key", tag]
    assert ("duplicate" in cli.json(*key), cli.json(*key, "--unique-seconds", "60")["duplicate"]) == (False, True)
    which = ["--tag", tag, "--tag", "nightly", "--param", "step_seconds=1"]
    found = cli.json(
        "jobs", *which, "--status", "pending", "--status", "failed", "--created-after", "2026-01-01T00:00:00Z"
    )
    assert [job["id"] for job in found] == [ids[3], ids[1]]
    assert cli("cancel", *which).splitlines() == ["2 match: 2 cancelled, 0 refused."]
    assert cli.json("cancel", "--tag", tag) == {"matched": 4, "done": 2, "refused": 2}
    assert cli.json("retry", "--tag", tag, "--param", "step_seconds=0") == {"matched": 2, "done": 2, "refused": 0}
    assert cli.json("delete", "--tag", tag, "--status", "CANCELLED") == {"matched": 2, "done": 2, "refused": 0}
    cli("cancel", "--tag", other)
    assert cli("delete", cli.json("jobs", "--tag", other)[0]["id"]).splitlines() == ["1 deleted."]
    for usage in (["retry"], ["cancel", "1", "--tag", tag], ["retry", "--tag", tag, "--from-step", "1"], ["delete"]):
        cli(*usage, code=2)


def test_a_long_history_is_read_in_parts_and_a_large_result_is_named(cli: Cli) -> None:
    job_id = cli.json("submit", "--delay", "3600")["job_id"]
    statement = text("""
        WITH job AS (
            UPDATE jobs SET event_count = 1500, status = 'COMPLETED',
                            result = to_jsonb(repeat('x', 5000)), finished_at = now()
            WHERE id = :id)
        INSERT INTO job_events (job_id, number, kind, attempt)
        SELECT :id, number, 'handed_back', 1 FROM generate_series(2, 1500) AS number
    """)
    with transaction() as connection:
        connection.execute(statement, {"id": job_id})
    assert f"Older events: job {job_id} --events-before 501" in cli("job", job_id)
    older = cli.json("job", job_id, "--events-before", "501")["events"]
    assert [each["number"] for each in older] == [*range(1, 501)]
    assert "Older events" not in cli("job", job_id, "--events-before", "501")
    assert f"a large result: see job {job_id}" in " ".join(cli("jobs", "--limit", "5").split())


def test_text_is_text_and_json_is_json_in_a_parameter(cli: Cli) -> None:
    made = cli.json("submit", "document", "--param", "document=why-queues.txt")
    assert ended(cli, made["job_id"])["params"] == {"document": "why-queues.txt"}


def test_jobs_are_listed_and_filtered(cli: Cli) -> None:
    made = cli.json("submit", "--delay", "3600")["job_id"]
    assert cli.json("jobs", "--limit", "1")[0]["id"] == made
    assert {job["status"] for job in cli.json("jobs", "--status", "pending")} == {"PENDING"}
    assert cli.json("jobs", "--pipeline", "nothing") == []
    assert f"{made} " in cli("jobs")
    assert "submit" in cli("jobs", "--pipeline", "nothing")


def test_jobs_are_cancelled_as_far_as_they_can_be(cli: Cli) -> None:
    one, two = (cli.json("submit", "--delay", "3600")["job_id"] for _ in range(2))
    assert [job["status"] for job in cli.json("cancel", one, 10**9, two, code=3)] == ["CANCELLED"] * 2
    assert "no job 1000000000" in cli.problem
    cli("cancel", one, code=3)
    assert "cannot be cancelled" in cli.problem


def test_a_failed_job_goes_on_with_other_params(cli: Cli) -> None:
    made = cli.json("submit", "-p", "fail_at_step=2", "-p", "step_seconds=0", "--max-attempts", "1")
    assert ended(cli, made["job_id"])["status"] == "FAILED"
    assert "RuntimeError" in cli("job", made["job_id"])
    cli("retry", made["job_id"], "--params", '{"step_seconds": 0}')
    assert [step["attempt"] for step in ended(cli, made["job_id"])["steps"]] == [1, 2, 2]
    cli("retry", made["job_id"], code=3)
    cli("retry", made["job_id"], "--from-step", "3")
    assert [step["attempt"] for step in ended(cli, made["job_id"])["steps"]] == [1, 2, 3]


def test_workers_are_shown(cli: Cli) -> None:
    name = cli.json("workers")[0]["name"]
    assert name in cli("workers")


# ------------------------------------------------------------------------------------------------ canvas


def test_a_canvas_comes_from_a_file_or_standard_input(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "canvas.json"
    file.write_text('{"chain": [{"task": "add", "args": [2, 3]}, {"task": "finalize"}]}')
    run = cli.json("canvas", file)
    assert run["code"] == "chain(add.s(2, 3), finalize.s())"
    plan = cli("canvas", "-", "--preview", stdin=file.read_text())
    assert plan.splitlines() == [run["code"], "└── add(2, 3)", "    └── finalize()"]
    wait_for(lambda: cli.json("result", run["task_id"])["ready"], what="the end of the run")
    shown = cli("result", run["task_id"])
    assert "SUCCESS, 2 of 2" in shown
    assert shown.endswith('Result: "Final result: 5"\n')


def test_a_run_that_failed_says_why_and_is_an_error(cli: Cli) -> None:
    run = cli.json("canvas", "-", stdin=json.dumps(CHORD))
    wait_for(lambda: httpx.get(f"{cli.env['PLAYGROUND_URL']}/result/{run['task_id']}").json()["ready"], what="the end")
    head, verdict, _, *tree = cli("result", run["task_id"], code=1).splitlines()
    assert head == f"canvas {run['task_id']}: FAILURE, 1 of 3"
    assert verdict.startswith("fail failed: ")
    assert [line.split("(")[0] for line in tree] == ["├── add", "├── fail", "└── finalize"]
    assert tree[-1].endswith("SKIPPED  after add, fail")


# ------------------------------------------------------------------------------------------------ schedules


def test_a_schedule_from_making_to_removing_it(cli: Cli) -> None:
    with transaction() as connection:
        connection.execute(text("DELETE FROM schedules"))
    assert "There are no schedules" in cli("schedules")
    words = [
        "nightly",
        "demo",
        "--cron",
        "0 3 * * MON-FRI",
        "--timezone",
        "Asia/Seoul",
        "--params",
        '{"step_seconds": 0}',
    ]
    made = cli.json("schedules", "add", *words)
    often = cli.json("schedules", "add", "often", "demo", "--every", "1000000.5")
    assert "every 1,000,000.5 s" in cli("schedules", "show", often["id"])
    assert (made["cron"], made["timezone"], made["params"]["step_seconds"]) == ("0 3 * * MON-FRI", "Asia/Seoul", 0)
    cli("schedules", "add", *words, code=3)
    cli("schedules", "add", "never", "demo", "--cron", "0 0 30 2 *", code=2)
    assert "never fires" in cli.problem
    assert "0 3 * * MON-FRI Asia/Seoul" in cli("schedules")
    job_id = cli.json("schedules", "run", made["id"])["job_id"]
    assert ended(cli, job_id)["schedule_id"] == made["id"]
    assert "paused" in cli("schedules", "pause", made["id"])
    assert "one job for all" in cli("schedules", "resume", made["id"])
    assert str(job_id) in cli("schedules", "show", made["id"])
    cli("schedules", "delete", made["id"])
    cli("schedules", "show", made["id"], code=3)


# ------------------------------------------------------------------------------------------------ queues


def test_a_queue_is_paused_and_limited(cli: Cli) -> None:
    assert "celery" in cli("queues")
    try:
        assert "a pause" in cli("queues", "pause", "nightly")
        said = cli("queues", "limit", "nightly", "--concurrency", "3", "--rate", "10/31536000")
        assert "a pause, 3 at once, 10 in 31,536,000 s" in said
        assert "none serves it" in said
        changed = cli.json("queues", "limit", "nightly", "--rate", "1/0.5", "--no-concurrency")
        assert (changed["concurrency"], changed["rate"]) == (None, {"count": 1, "seconds": 0.5})
    finally:
        cli("queues", "resume", "nightly")
        cli("queues", "limit", "nightly", "--no-concurrency", "--no-rate")
    for words in ([], ["--concurrency", "0"], ["--rate", "ten"], ["--rate", "1/0"], ["--rate", "1/1", "--no-rate"]):
        cli("queues", "limit", "nightly", *words, code=2)
    cli("queues", "pause", "a b", code=2)
    assert "The name of a queue" in cli.problem


# ------------------------------------------------------------------------------------------------ documents


@pytest.fixture
def _nothing_stays(client: httpx.Client) -> Iterator[None]:
    """No other test sees the document."""
    yield
    client.delete("/documents/문서 %231%3F.md")


@pytest.mark.usefixtures("_nothing_stays")
def test_a_document_goes_in_and_comes_out(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "문서 #1?.md"
    file.write_text("# 제목\n\nText.\n", encoding="utf-8")
    assert cli.json("documents", "add", file)[0]["name"] == file.name
    assert cli("documents", "add", file, code=3) == ""
    (empty := tmp_path / "empty.md").touch()
    cli("documents", "delete", file.name)
    assert cli.json("documents", "add", file, empty, code=2)[0]["name"] == file.name, "what went in before it"
    assert file.name in cli("documents")
    assert file.name in {each["name"] for each in cli.json("documents")}
    assert cli("documents", "get", file.name) == file.read_text(encoding="utf-8")
    cli("documents", "get", file.name, "--output", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == file.read_bytes()
    assert cli.json("documents", "analyze", file.name)["type"] == "chain"
    assert cli.json("documents", "analyze", file.name, "why-queues.txt")["type"] == "group"
    assert cli.json("documents", "report")["type"] == "chord"
    cli("documents", "delete", file.name)
    cli("documents", "get", file.name, code=3)


# ------------------------------------------------------------------------------------------------ what can go wrong


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["submit", "--param", "step_seconds=soon"], "body.params.step_seconds: Input should be a valid number"),
        (["submit", "nothing"], "There is no pipeline 'nothing'"),
        (["submit", "--params", "{"], "--params is not JSON"),
        (["submit", "--params", "[]"], "--params must be a JSON object"),
        (["submit", "--param", "x"], "--param must be NAME=VALUE"),
        (["submit", "--priority", "high"], "--priority"),
        (["jobs", "--status", "nope"], "'nope' is none of PENDING, IN_PROGRESS,"),
        (["jobs", "--created-after", "now"], "query.created_after: a time is written as in RFC 3339"),
        (["submit", "--delay", "nan"], "It is not JSON: delay_seconds: nan is no number that JSON has."),
        (["submit", "-p", "step_seconds=NaN"], "body.params.step_seconds: Input should be a valid number"),
        (["submit", "--params", '{"x": Infinity}'], "--params is not JSON: it has no Infinity"),
        (["queues", "limit", "nightly", "--rate", "10/inf"], "rate.seconds: inf is no number that JSON has."),
        (["submit", "--idempotency-key", "키"], "Idempotency-Key may have printable ASCII"),
        (["job", "one"], "JOB_ID"),
        (["result", "one"], "UUID"),
        (["canvas", "/nowhere"], "/nowhere cannot be read: No such file or directory."),
        (["canvas", "-"], "Standard input is not JSON"),
        (["documents", "add", "/"], "/ cannot be read: Is a directory."),
        (["documents", "add", "Makefile"], "Only .txt"),
        (["jobs", "--url", "ftp://127.0.0.1"], "url must be an address"),
        (["jobs", "--url", "http://127.0.0.1:99999"], "url must be an address"),
        (["jobs", "--api-key", "키"], "X-API-Key may have printable ASCII"),
        (["nothing"], "No such command"),
    ],
)
def test_what_cannot_be_used_is_said_in_a_line(cli: Cli, words: list[str], said: str) -> None:
    assert cli(*words, code=2) == ""
    assert said in cli.problem


def test_what_does_not_exist(cli: Cli) -> None:
    for words in (["job", 10**9], ["result", uuid4()], ["documents", "get", "nothing"], ["retry", 10**9]):
        assert cli(*words, code=3) == ""
        assert cli.problem


def test_an_api_that_is_away(cli: Cli) -> None:
    address = f"127.0.0.1:{free_port()}"
    for words in (
        ["jobs"],
        ["submit", "--watch"],
        ["watch"],
        ["watch", 1],
        ["documents"],
        ["result", uuid4(), "--wait"],
    ):
        assert cli(*words, "--url", address, code=5) == ""
        assert cli.problem == f"http://{address} cannot be reached: Connection refused\n"


def test_options_stand_before_or_behind_the_command(cli: Cli, client: httpx.Client) -> None:
    good, bad = str(client.base_url), "http://127.0.0.1:1"
    json.loads(cli("--url", good, "--json", "jobs", PLAYGROUND_URL=bad))
    json.loads(cli("--url", bad, "documents", "--json", "--url", good))
    cli("--url", good, "jobs", "--url", bad, code=5)
    host, _, port = str(client.base_url).removeprefix("http://").partition(":")
    cli("jobs", PLAYGROUND_URL="", API_HOST=host, API_PORT=port)


def test_no_proxy_stands_between_this_machine_and_itself(cli: Cli) -> None:
    cli("jobs", http_proxy=f"http://127.0.0.1:{free_port()}")


def test_a_setting_that_cannot_be_used(cli: Cli) -> None:
    cli("jobs", code=2, PLAYGROUND_URL="", API_PORT="none")
    assert cli.problem.startswith("API_PORT: ")
