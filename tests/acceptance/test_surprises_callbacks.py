"""How often callbacks of chords and groups are called, and when: not as their names make one think.

The worker has one process, which does what is published in order: what was published before a task has run when
that task has.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx2 as httpx
import pytest
from celery import chord, group
from celery.canvas import Signature

from background.celery import celery_app
from background.task_names import TaskName
from tests.acceptance.test_bad_input import assert_problem
from tests.support import Process, running_worker, wait_for


@pytest.fixture(scope="module")
def worker(client: httpx.Client, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A prefork worker with one process."""
    with running_worker(tmp_path_factory.mktemp("callbacks") / "w.log", "--pool=prefork", "--concurrency=1") as process:
        yield process
        # Celery's results unsubscribe when they are collected: while the broker is still there.
        gc.collect()


@pytest.fixture
def callback() -> Signature:
    """What is to be called; the worker's log shows each call."""
    return call(TaskName.FINALIZE, str(uuid4()), immutable=True)


def call(name: TaskName, *args: Any, immutable: bool = False) -> Signature:
    """A call of one of our tasks as plain Celery has it, without a record."""
    return celery_app.signature(name.value, args=args, immutable=immutable)


def members(names: str) -> list[Signature]:
    """One that succeeds for each `echo` in `names`, one that fails for each `fail`."""
    return [call(TaskName[name.upper()], name) for name in names.split()]


def calls(worker: Process, callback: Signature, *, failed: int) -> int:
    """How often it was called, once so many tasks more have failed, and all that was published then has run."""
    wait_for(lambda: worker.output.count("raised unexpected") >= failed, what="the failures")
    last = call(TaskName.ECHO, 1).apply_async()
    worker.wait_for_line(f"{last.id}] succeeded")
    return worker.output.count(f"'Final result: {callback.args[0]}'")


def failures(worker: Process) -> int:
    """How many tasks have failed so far."""
    return worker.output.count("raised unexpected")


@pytest.mark.filterwarnings("ignore:task_allow_error_cb_on_chord_header=False")
@pytest.mark.parametrize(("on_header", "times"), [(False, 1), (True, 3)])
def test_a_chords_error_callback_is_called_once_or_for_each_failure_as_well(
    worker: Process, callback: Signature, monkeypatch: pytest.MonkeyPatch, on_header: bool, times: int
) -> None:
    monkeypatch.setitem(celery_app.conf, "task_allow_error_cb_on_chord_header", on_header)
    before = failures(worker)
    body = chord(members("fail fail"), call(TaskName.ECHO), app=celery_app).on_error(callback).apply_async()
    assert calls(worker, callback, failed=before + 2) == times
    assert (body.state, type(body.result).__name__) == ("FAILURE", "ChordError")


def test_a_groups_error_callback_is_called_for_each_failure(worker: Process, callback: Signature) -> None:
    linked = group(members("fail echo fail"), app=celery_app)
    linked.link_error(callback)
    before = failures(worker)
    linked.apply_async()
    assert calls(worker, callback, failed=before + 2) == 2


@pytest.mark.parametrize(("names", "times"), [("echo fail", 1), ("fail echo", 0)])
def test_a_groups_callback_waits_for_its_first_task_alone(
    worker: Process, callback: Signature, names: str, times: int
) -> None:
    linked = group(members(names), app=celery_app)
    linked.link(callback)
    before = failures(worker)
    linked.apply_async()
    assert calls(worker, callback, failed=before + 1) == times


def test_what_plain_celery_has_published_is_unknown_here(client: httpx.Client, worker: Process) -> None:
    plain = call(TaskName.ECHO, 1).apply_async()
    worker.wait_for_line(f"{plain.id}] succeeded")
    assert plain.state == "SUCCESS"
    assert_problem(client.get(f"/result/{plain.id}"), 404)


def test_a_chords_error_callback_is_called_though_its_body_never_runs(client: httpx.Client, worker: Process) -> None:
    callback = {"task": "finalize"}
    failing = {"chain": [{"task": "fail", "args": ["no"]}, {"task": "echo"}]}
    header = [failing, {"task": "fail", "args": ["never"]}, {"task": "add", "args": [1, 2]}]
    body = {"chord": {"header": header, "body": {"task": "xsum", "link_error": callback}}}
    run = client.post("/canvas", json=body).json()
    ended = wait_for(lambda: (found := client.get(f"/result/{run['task_id']}").json())["ready"] and found)
    states = [(node["task"].rpartition(".")[2], node["state"]) for node in ended["graph"]["nodes"]]
    assert states == [
        ("fail", "FAILURE"),
        ("echo", "SKIPPED"),
        ("fail", "FAILURE"),
        ("add", "SUCCESS"),
        ("xsum", "SKIPPED"),
        ("finalize", "SUCCESS"),
    ]
    assert ended["status"] == "FAILURE"
    assert ended["graph"]["nodes"][-1]["result"] == f"Final result: {run['task_id']}"
