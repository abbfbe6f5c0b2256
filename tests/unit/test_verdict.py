"""The sentence about a run."""

import pytest

from background.canvas.schemas import Error, Node
from background.canvas.states import TaskState
from background.canvas.verdict import verdict


def node(task: str, state: str, error: Error | None = None) -> Node:
    """A task of a run in some state."""
    return Node(
        id="7f2c1d9e-4c1b-4b43-9f44-1a7c6b3f0e11",
        task=f"background.task.test_tasks.{task}",
        args=[],
        state=TaskState(state),
        result=None,
        error=error,
        started_at=None,
        finished_at=None,
        worker=None,
        retries=0,
    )


@pytest.mark.parametrize(
    ("nodes", "sentence"),
    [
        ([node("add", "PENDING")], "Waiting for a worker."),
        ([node("add", "SUCCESS")], "The task succeeded."),
        ([node("add", "SUCCESS"), node("multiply", "SUCCESS")], "All 2 tasks succeeded."),
        ([node("add", "SUCCESS"), node("multiply", "STARTED")], "Running: multiply; 1 of 2 tasks are done."),
        (
            [node("add", "SUCCESS"), node("multiply", "PENDING")],
            "1 of 2 tasks are done; the next one waits for a worker.",
        ),
        (
            [
                node("add", "SUCCESS"),
                node("fail", "FAILURE", Error(type="ValueError", message="boom")),
                node("finalize", "SKIPPED"),
            ],
            "fail failed: ValueError: boom; finalize never ran because of it.",
        ),
    ],
)
def test_it_says_what_happened(nodes: list[Node], sentence: str) -> None:
    assert verdict(nodes) == sentence
