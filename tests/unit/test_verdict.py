"""What is said about a run, as a specification."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4

import pytest

from background.canvas.states import TaskState
from background.canvas.verdict import Story, verdict

NOT_RUN = "fail failed: RuntimeError: no. So finalize, the callback of its chord, did not run"
AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@dataclass
class Error:
    """As recorded."""

    type: str
    message: str


@dataclass
class Node:
    """A task of a run."""

    task: str
    state: TaskState
    error: Error | None = None
    worker: str | None = "w@h"
    started_at: datetime | None = AT
    finished_at: datetime | None = AT
    id: UUID = field(default_factory=uuid4)


def nodes(*said: str) -> list[Node]:
    """Tasks from `name STATE` or `name FAILURE why`."""
    found = []
    for text in said:
        name, state, *why = text.split(maxsplit=2)
        error = Error("Lost", why[0][5:]) if why and why[0].startswith("Lost ") else None
        error = error or (Error("RuntimeError", why[0]) if why else None)
        found.append(Node(f"background.task.test_tasks.{name}", TaskState(state), error))
    return found


def story(*said: str, chain: bool = False, chord: bool = False, **known: Any) -> Story:
    """A chain of these, or a chord whose body is the last."""
    found = nodes(*said)
    ids = [str(node.id) for node in found]
    edges = list(pairwise(ids)) if chain else [(each, ids[-1]) for each in ids[:-1]] if chord else []
    ended = all(node.state not in (TaskState.PENDING, TaskState.STARTED, TaskState.RETRY) for node in found)
    return Story(nodes=found, edges=edges, **({"ended": ended, "chain": chain} | known))


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        (story("add SUCCESS"), "The task succeeded."),
        (story("add SUCCESS", "add SUCCESS"), "All 2 tasks succeeded."),
        (
            story("add SUCCESS", "echo SKIPPED", chain=True),
            "All went well; echo, for the case of an error, did not have to run.",
        ),
        (story("add SUCCESS", "echo REVOKED", chain=True), "Revoked: echo never ran."),
        (
            story("add SUCCESS", results_expired=True),
            "The task succeeded. Celery's own results have expired; this is the record.",
        ),
        (
            story("add SUCCESS", "fail FAILURE no", "finalize SKIPPED", chord=True),
            f"{NOT_RUN}; add in the same header still ran.",
        ),
        (
            story("add STARTED", "fail FAILURE no", "finalize SKIPPED", chord=True),
            f"{NOT_RUN}. add still runs.",
        ),
        (
            story("add SUCCESS", "fail FAILURE no", "echo SKIPPED", "finalize SKIPPED", chain=True),
            "fail failed: RuntimeError: no. The chain stopped at step 2: echo, finalize never ran.",
        ),
        (
            story("fail FAILURE no", "fail FAILURE no", "finalize SKIPPED", chord=True),
            "fail (and 1 more) failed: RuntimeError: no. So finalize, the callback of its chord, did not run.",
        ),
        (
            story("add SUCCESS", "sleep FAILURE Lost the broker was emptied", "echo SKIPPED", chain=True),
            "sleep was lost: the broker was emptied. The chain stopped at step 2: echo never ran.",
        ),
        (
            replace(story("fail FAILURE no", "finalize SKIPPED", chain=True), chain=False),
            "fail failed: RuntimeError: no. finalize never ran.",
        ),
        (
            story("add SUCCESS", "sleep STARTED", chain=True),
            "Running since 03:04:05 UTC: sleep; 1 of 2 tasks are done.",
        ),
        (
            story("add PENDING", queue_length=7, live_workers=2),
            "Waiting for a worker: 7 messages are in the queue, 2 alive.",
        ),
        (story("add PENDING", live_workers=0), "Waiting for a worker: none is alive."),
        (story("add PENDING", queue_length=None), "Waiting for the broker: no worker can reach it."),
        (
            story("add SUCCESS", "echo REVOKED", "echo REVOKED", chain=True, cancelled=True),
            "Revoked: echo, echo never ran; 1 of 3 tasks were done.",
        ),
        (
            story("sleep STARTED", "echo REVOKED", chain=True, cancelled=True),
            "Cancelled: echo will not run; sleep may still finish.",
        ),
    ],
)
def test_the_verdict(told: Story, sentence: str) -> None:
    assert verdict(told) == sentence


def test_a_lost_worker_is_named() -> None:
    told = story("sleep STARTED", "echo PENDING", chain=True)
    lost = Story(nodes=told.nodes, edges=told.edges, worker_lost={str(told.nodes[0].id)})
    assert verdict(lost) == "sleep was lost: the worker w@h was not seen any more while it ran."


def test_many_names_are_put_together() -> None:
    assert "sleep (100 times)" in verdict(story(*["sleep STARTED"] * 100))
