"""Canvases under which bare Celery's worker processes wait for ever are refused; what comes close to them ends."""

import threading
from typing import Any

import httpx2 as httpx
import pytest
from celery.result import AsyncResult

from background.celery import celery_app
from background.local.valkey import EmbeddedValkey
from tests.acceptance.test_bad_input import assert_problem
from tests.acceptance.test_canvas import finished, start
from tests.acceptance.test_canvas_cases import chain, chord, group
from tests.acceptance.test_playground import ECHO, task

pytestmark = pytest.mark.usefixtures("worker")


@pytest.mark.parametrize("path", ["/canvas", "/canvas/preview"])
@pytest.mark.parametrize(
    "member",
    [
        chain(task("echo", 1), group(ECHO, task("add", 1, ignore_result=True))),
        chord([task("echo", 1), task("echo", 2)], group(ECHO, task("finalize"))),
    ],
)
def test_what_would_block_a_worker_is_refused(client: httpx.Client, path: str, member: dict[str, Any]) -> None:
    problem = assert_problem(client.post(path, json=chord([member, task("echo", 9)], ECHO)), 422)
    assert [error["type"] for error in problem["errors"]] == ["canvas_blocks"]


def test_groups_at_the_end_of_a_member_end(client: httpx.Client) -> None:
    """One run at a time: each has a process wait for what the other one runs."""
    canvas = chord([chain(task("echo", 1), group(ECHO, task("add", 1))), task("echo", 8)], ECHO)
    for _ in range(10):
        assert finished(client, start(client, "/canvas", canvas)["task_id"])["ready"]


def test_whoever_waits_gets_the_result(valkey: EmbeddedValkey) -> None:
    """Also where the process has sent the task itself, and that object is still about."""
    backend: Any = celery_app.backend
    sent: Any = AsyncResult("waited-for", app=celery_app)
    sent.then(lambda _: None, weak=True)
    storing = threading.Timer(0.5, backend.store_result, ("waited-for", 5, "SUCCESS"))
    storing.start()
    assert AsyncResult("waited-for", app=celery_app).get(timeout=20) == 5
    storing.join()
    backend.forget("waited-for")
    assert not any("waited-for" in each for each in backend._pending_results)
