"""Canvases under which bare Celery's worker processes wait for ever are refused; what comes close to them ends."""

from typing import Any

import httpx2 as httpx
import pytest

from tests.acceptance.test_bad_input import assert_problem
from tests.acceptance.test_canvas import finished, start
from tests.acceptance.test_canvas_cases import chain, chord, group, run
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


def test_many_groups_at_the_end_of_a_member_end(client: httpx.Client) -> None:
    member = chain(task("echo", 1), group(ECHO, task("add", 1)))
    started = [start(client, "/canvas", chord([member, task("echo", 8)], ECHO))["task_id"] for _ in range(10)]
    assert all(finished(client, task_id)["ready"] for task_id in started)
    assert run(client, task("echo", 1))["result"] == 1
