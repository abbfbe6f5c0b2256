"""Tasks that end in ways that Celery keeps no word of, that send others, or put another in their place."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from sqlalchemy import text

from background.canvas.sql import reads
from tests.acceptance.test_canvas import finished, start
from tests.acceptance.test_playground import ECHO, states, task
from tests.support import Process, running_worker, transaction, wait_for

POOLS = [("--pool=prefork", "--concurrency=2"), ("--pool=threads", "--concurrency=2")]


@pytest.fixture(scope="module", params=POOLS, ids=["prefork", "threads"])
def worker(
    request: pytest.FixtureRequest, client: httpx.Client, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Process]:
    """A worker whose `echo` does odd things."""
    log = tmp_path_factory.mktemp("odd") / "odd.log"
    with running_worker(log, *request.param, module="tests.acceptance.odd_worker") as process:
        yield process


def run(client: httpx.Client, canvas: dict[str, Any]) -> dict[str, Any]:
    """The canvas once it has ended."""
    return finished(client, start(client, "/canvas", canvas)["task_id"])


@pytest.mark.parametrize(
    ("how", "error", "code"),
    [
        ("ignore", {"type": "Ignore", "message": "not today"}, "ignored"),
        ("reject", {"type": "Reject", "message": "never"}, "rejected"),
        ("retry", {"type": "Retry", "message": "later: raised without Task.retry"}, "chain_stopped"),
        ("exit", {"type": "SystemExit", "message": "3"}, "chain_stopped"),
        ("interrupt", {"type": "KeyboardInterrupt", "message": ""}, "chain_stopped"),
        ("set", {"type": "TypeError", "message": "Object of type set is not JSON serializable"}, "chain_stopped"),
    ],
)
def test_how_a_task_may_end(client: httpx.Client, worker: Process, how: str, error: dict[str, str], code: str) -> None:
    ended = run(client, {"chain": [task("echo", how), ECHO]})
    assert (ended["status"], states(ended)) == ("FAILURE", [("echo", "FAILURE"), ("echo", "SKIPPED")])
    assert ended["error"]["type"] == error["type"]
    assert ended["error"]["message"].startswith(error["message"])
    assert (ended["reason"]["code"], ended["reason"]["culprit"]) == (code, ended["graph"]["nodes"][0]["id"])
    assert run(client, task("add", 1, 2))["result"] == 3


def test_a_child_that_a_task_forks_ends_with_it(client: httpx.Client, worker: Process) -> None:
    ended = run(client, {"chain": [task("echo", "fork"), ECHO]})
    assert (ended["status"], ended["result"]) == ("SUCCESS", 0)
    assert states(ended) == [("echo", "SUCCESS"), ("echo", "SUCCESS")]


def test_what_a_task_sends_stands_in_the_record(client: httpx.Client, worker: Process) -> None:
    ended = run(client, {"chain": [task("echo", "send"), ECHO]})
    assert (ended["status"], len(ended["graph"]["nodes"])) == ("SUCCESS", 4)
    sender, _, sent, linked = ended["graph"]["nodes"]
    assert (sent["id"], sent["result"], linked["result"]) == (sender["result"], 5, 5)
    first = ended["graph"]["tree"]["chain"][0]
    assert first == {"task": sender["id"], "spawned": [{"task": sent["id"], "spawned": [{"task": linked["id"]}]}]}
    assert [sender["id"], sent["id"]] in ended["graph"]["edges"]
    member = client.get(f"/result/{sent['id']}").json()
    assert (member["type"], member["run_id"], member["result"]) == ("task", ended["task_id"], 5)


def test_what_a_task_is_replaced_by_stands_in_the_record(client: httpx.Client, worker: Process) -> None:
    ended = run(client, {"chain": [task("echo", "replace"), task("multiply", 2)]})
    assert (ended["status"], ended["result"]) == ("SUCCESS", 46), (ended["verdict"], ended["graph"])
    first, second, *others = ended["graph"]["nodes"]
    assert (first["result"], second["result"], [each["result"] for each in others]) == (23, 46, [23])


@pytest.mark.parametrize("how", ["replace chain", "replace chord"])
def test_what_fails_in_the_place_of_a_task_is_told_once(client: httpx.Client, worker: Process, how: str) -> None:
    """What was replaced has not failed, and was not lost: what would end under its id never ran."""
    ended = run(client, {"chain": [task("echo", how), task("multiply", 2)]})
    first, second, *others = ended["graph"]["nodes"]
    assert (first["state"], second["state"]) == ("SKIPPED", "SKIPPED")
    assert sorted(each["state"] for each in others) == ["FAILURE", "SUCCESS"][: len(others)]
    assert ended["verdict"] == "fail failed: RuntimeError: no. multiply never ran."


def test_a_group_at_the_end_of_what_replaces_a_task(client: httpx.Client, worker: Process) -> None:
    """It has not the id of the task, under which nothing ends; what comes next is called all the same, as in Celery."""
    ended = run(client, {"chain": [task("echo", "replace group"), ECHO]})
    assert (ended["status"], ended["result"]) == ("SUCCESS", [8, 9])
    assert ended["graph"]["nodes"][0]["state"] == "SKIPPED"
    assert ended["verdict"] == "All 4 tasks succeeded."
    ended = run(client, task("echo", "replace group"))
    assert (ended["status"], ended["result"], ended["error"]["type"]) == ("FAILURE", None, "Lost")
    assert "what it put in its place has ended, and nothing of that under its id" in ended["verdict"]


def test_a_result_that_is_too_large(client: httpx.Client, worker: Process) -> None:
    ended = run(client, {"chain": [task("echo", "x" * 300_000), {"group": [ECHO] * 4}, ECHO, ECHO]})
    assert (ended["status"], ended["error"]["type"]) == ("FAILURE", "ResultTooLarge")
    assert "MAX_OUTPUT_BYTES" in ended["error"]["message"]


def test_a_task_that_expires_or_waits(client: httpx.Client, worker: Process) -> None:
    started = start(client, "/canvas", {"chain": [task("echo", 1, countdown=1.0), ECHO]})
    waiting = look(client, started)
    assert (waiting["reason"]["code"], waiting["reason"]["node"]) == ("due_later", waiting["graph"]["nodes"][0]["id"])
    assert waiting["graph"]["nodes"][0]["due_at"] == waiting["reason"]["due_at"]
    assert finished(client, started["task_id"])["result"] == 1
    expired = run(client, {"chain": [task("echo", 1, countdown=0.5, expires=0.1), ECHO]})
    assert (expired["status"], states(expired)) == ("REVOKED", [("echo", "REVOKED"), ("echo", "SKIPPED")])
    assert expired["reason"]["code"] == "expired"


def look(client: httpx.Client, started: dict[str, Any]) -> dict[str, Any]:
    """The run now."""
    return dict(client.get(f"/result/{started['task_id']}").json())


@pytest.mark.parametrize("end", ["ignore", "reject", "retry", "try again"])
def test_what_a_task_has_sent_belongs_to_its_run_however_it_ends(
    client: httpx.Client, worker: Process, end: str
) -> None:
    started = start(client, "/canvas", task("echo", f"send elsewhere and {end}"))

    def shown() -> dict[str, Any] | None:
        outcome = look(client, started)
        return outcome if outcome["graph"]["nodes"][0]["state"] in ("FAILURE", "SUCCESS") else None

    outcome = wait_for(shown, what="the end of the first task")
    assert (outcome["ready"], [each["state"] for each in outcome["graph"]["nodes"][1:]]) == (False, ["PENDING"])
    client.post(f"/result/{started['task_id']}/cancel").raise_for_status()
    assert look(client, started)["ready"]


@pytest.mark.parametrize("what", ["send", "try again", "replace", "replace by one", "replace group"])
def test_nothing_begins_in_a_cancelled_run(client: httpx.Client, worker: Process, tmp_path: Path, what: str) -> None:
    """Not even what a task sends, puts in its place, or asks for that was at work when the run was cancelled."""
    started = start(client, "/canvas", task("echo", {"after": str(tmp_path / "cancelled"), "do": what}))
    wait_for(lambda: look(client, started)["status"] == "STARTED", what="the start")
    client.post(f"/result/{started['task_id']}/cancel").raise_for_status()
    (tmp_path / "cancelled").touch()
    finished(client, started["task_id"])
    assert run(client, {"group": [task("add", 1, 2)] * 4})["status"] == "SUCCESS"  # what was sent has come by then
    first, *others = look(client, started)["graph"]["nodes"]
    assert (first["state"], first["starts"] <= 1) == ("SUCCESS" if what == "send" else "REVOKED", True)
    assert {(each["state"], each["starts"]) for each in others} <= {("REVOKED", 0)}


def test_a_task_in_another_queue_waits_for_a_worker_of_that(client: httpx.Client, worker: Process) -> None:
    started = start(client, "/canvas", task("add", 1, 2, queue="elsewhere"))
    assert run(client, task("add", 1, 2, queue="celery", priority=0))["result"] == 3
    assert look(client, started)["status"] == "PENDING"
    assert client.post(f"/result/{started['task_id']}/cancel").status_code == 202
    assert look(client, started)["status"] == "REVOKED"
    assert client.delete(f"/result/{started['task_id']}").status_code == 204
    assert client.get(f"/result/{started['task_id']}").status_code == 404


@pytest.mark.parametrize(
    ("how", "waits"),
    [("send elsewhere", "PENDING"), ("replace elsewhere", "PENDING"), ("retry elsewhere", "RETRY")],
)
def test_where_a_message_of_a_task_went_is_recorded(
    client: httpx.Client, worker: Process, how: str, waits: str
) -> None:
    """Recovery would look for it in the usual queue."""
    started = start(client, "/canvas", task("echo", how))
    statement = text("SELECT queue FROM run_tasks WHERE run_id = :run AND state = :state AND called")
    with transaction() as connection:
        number = reads.number_of(connection, started["task_id"])

    def queue() -> str | None:
        with transaction() as connection:
            found: str | None = connection.execute(statement, {"run": number, "state": waits}).scalar_one_or_none()
        return found

    assert wait_for(queue, what="the message") == "elsewhere"
    client.post(f"/result/{started['task_id']}/cancel").raise_for_status()
