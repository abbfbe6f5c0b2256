"""The facts of a run for each thing that may become of it, and the sentence they make."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from background.canvas.facts import Story, expired, facts_of, reason
from background.canvas.reasons import Code, Error
from background.canvas.states import TaskState
from background.canvas.wording import verdict

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
T, F = TaskState.SUCCESS, TaskState.FAILURE
P, S, R, N = TaskState.PENDING, TaskState.STARTED, TaskState.REVOKED, TaskState.SKIPPED


@dataclass
class Node:
    """A task of a run."""

    id: str
    task: str
    state: TaskState
    args: list[Any] = field(default_factory=list)
    error: Error | None = None
    worker: str | None = "w1"
    retries: int = 0
    starts: int = 1
    started_at: datetime | None = NOW
    finished_at: datetime | None = NOW
    due_at: datetime | None = None
    queue: str | None = None
    called: bool = True


def error(kind: str = "RuntimeError", message: str = "no.") -> Error:
    """Why a task did not succeed."""
    return Error(type=kind, message=message)


def task(name: str) -> dict[str, Any]:
    """A task of a tree, under its own name."""
    return {"task": name}


CHAIN = {"chain": [task("a"), task("b"), task("c")]}
CHORD = {
    "chord": {
        "header": [task("a"), task("b")],
        "body": {"chain": [{"task": "c", "link_error": [task("e")]}, task("d")]},
    }
}


def nodes(**states: TaskState | Node) -> list[Node]:
    """Tasks that are named as their ids."""
    return [
        each
        if isinstance(each, Node)
        else Node(
            id_,
            f"tasks.{id_}",
            each,
            error=error() if each is F else None,
            starts=0 if each in (P, R, N) else 1,
            started_at=None if each in (P, R, N) else NOW,
        )
        for id_, each in states.items()
    ]


def failing(name: str, kind: str, **more: Any) -> Node:
    """A task that ended with this error."""
    return Node(name, f"tasks.{name}", F, error=error(kind, "it seems"), **more)


SO = "So c, the callback of its chord, did not run"
SKIPPED = f"a failed: RuntimeError: no. {SO}"
GROUP = {"group": [task("a"), task("b")]}


def revoked(name: str, kind: str, *, last: Error | None = None, **more: Any) -> Node:
    """A task that was killed, or had expired."""
    return Node(name, f"tasks.{name}", R, error=Error(type=kind, message="it was", last=last), **more)


STORIES: list[tuple[Story, str, str]] = [
    (Story(nodes(a=P), task("a"), NOW, live_workers=0), "no_worker", "Waiting for a worker: none is alive."),
    (
        Story(nodes(a=P), task("a"), NOW, queue_length=None),
        "broker_down",
        "Waiting for the broker: no worker can reach it.",
    ),
    (
        Story(nodes(a=T, b=P, c=P), CHAIN, NOW, queue_length=1, live_workers=2),
        "waiting_for_worker",
        "Waiting for a worker: 1 message is in the queue, 2 alive. 1 of 3 tasks are done.",
    ),
    (
        Story(nodes(a=Node("a", "tasks.a", P, due_at=NOW + timedelta(seconds=5))), task("a"), NOW),
        "due_later",
        "a is not due before 2030-01-01 12:00:05 UTC (countdown or eta).",
    ),
    (
        Story(nodes(a=Node("a", "tasks.a", P, queue="q")), task("a"), NOW),
        "waiting_in_queue",
        "a waits in the queue q: only a worker that was started with -Q q takes it.",
    ),
    (Story(nodes(a=S, b=P, c=P), CHAIN, NOW), "running", "Running since 12:00:00 UTC: a."),
    (
        Story(nodes(a=Node("a", "tasks.a", TaskState.RETRY, error=error(), retries=2)), task("a"), NOW),
        "retrying",
        "a failed and is tried again (retry 2): RuntimeError: no.",
    ),
    (
        Story(nodes(a=S), task("a"), NOW, silent={"a"}),
        "worker_silent",
        "The worker w1 that runs a has not been seen for a while.",
    ),
    (Story(nodes(a=F), task("a"), NOW, ended=True), "failed", "a failed: RuntimeError: no."),
    (
        Story(nodes(a=failing("a", "ValueError", starts=3), b=N, c=N), CHAIN, NOW, ended=True),
        "chain_stopped",
        "a failed after 3 tries: ValueError: it seems. The chain stopped at step 1: b, c never ran.",
    ),
    (
        Story(nodes(a=F, b=T, c=N, e=N, d=N), CHORD, NOW, ended=True),
        "callback_skipped",
        f"{SKIPPED}; b in the same header still ran. d never ran.",
    ),
    (
        Story(nodes(a=F, b=S, c=N, e=T, d=N), CHORD, NOW),
        "callback_skipped",
        f"{SKIPPED}. d never ran. The error callback e ran. b still runs.",
    ),
    (
        Story(nodes(a=failing("a", "Lost"), b=N, c=N), CHAIN, NOW, ended=True),
        "lost",
        "a was lost: it seems. b, c never ran.",
    ),
    (
        Story(nodes(a=S, b=R, c=R), CHAIN, NOW, cancelled=True),
        "cancelled",
        "Cancelled: b, c will not run; a may still finish.",
    ),
    (
        Story(nodes(a=T, b=R, c=R), CHAIN, NOW, cancelled=True, ended=True),
        "revoked",
        "Revoked: b, c never ran; 1 of 3 tasks were done.",
    ),
    (  # b stands in the place of a
        Story(nodes(a=Node("a", "tasks.a", R, starts=0), b=R), GROUP, NOW, cancelled=True, ended=True),
        "revoked",
        "Revoked: b never ran; 0 of 2 tasks were done.",
    ),
    (  # handed back by its worker
        Story(nodes(a=Node("a", "tasks.a", R, starts=0, worker=None), b=R), GROUP, NOW, cancelled=True, ended=True),
        "revoked",
        "Revoked: b never ran; 0 of 2 tasks were done. Not tried again: a.",
    ),
    (
        Story(nodes(a=revoked("a", "Killed"), b=R, c=R), CHAIN, NOW, cancelled=True, ended=True),
        "killed",
        "a was killed while it ran. b, c never ran.",
    ),
    (
        Story(nodes(a=revoked("a", "TaskExpired"), b=N, c=N), CHAIN, NOW, ended=True),
        "expired",
        "a had expired before a worker took it. b, c never ran.",
    ),
    # What happened before a run was cancelled is told all the same.
    (
        Story(nodes(a=F, b=S), GROUP, NOW, cancelled=True),
        "cancelled",
        "Cancelled: b may still finish. a failed: RuntimeError: no.",
    ),
    (
        Story(nodes(a=F, b=T), GROUP, NOW, cancelled=True, ended=True),
        "revoked",
        "Cancelled when every task had begun; 1 of 2 succeeded. a failed: RuntimeError: no.",
    ),
    (
        Story(nodes(a=T, b=T), GROUP, NOW, cancelled=True, ended=True),
        "revoked",
        "Cancelled when every task had begun; all of them succeeded.",
    ),
    (
        Story(nodes(a=F, b=T, c=N, e=N, d=N), CHORD, NOW, cancelled=True, ended=True),
        "revoked",
        f"Revoked: e, d never ran; 1 of 5 tasks were done. {SKIPPED}; b in the same header still ran.",
    ),
    (
        Story(nodes(a=Node("a", "tasks.a", R, error=error(), starts=3), b=R), GROUP, NOW, cancelled=True, ended=True),
        "revoked",
        "Revoked: b never ran; 0 of 2 tasks were done. Not tried again: a.",
    ),
    (
        Story(nodes(a=revoked("a", "Killed"), b=revoked("b", "Killed")), GROUP, NOW, cancelled=True, ended=True),
        "killed",
        "a was killed while it ran. Killed while running: b.",
    ),
    (
        Story(nodes(a=F, b=revoked("b", "Killed"), c=N, e=N, d=N), CHORD, NOW, cancelled=True, ended=True),
        "killed",
        f"b was killed while it ran. e, d never ran. {SKIPPED}.",
    ),
    # Status and error are those of a failure, so is the sentence.
    (
        Story(nodes(a=F, b=revoked("b", "TaskExpired", starts=0), c=N, e=N, d=N), CHORD, NOW, ended=True),
        "callback_skipped",
        f"{SKIPPED}. d never ran. Expired: b.",
    ),
    (
        Story(nodes(a=F, b=revoked("b", "TaskExpired", starts=0)), GROUP, NOW, ended=True),
        "failed",
        "a failed: RuntimeError: no. Expired: b.",
    ),
    (
        Story(nodes(a=revoked("a", "TaskExpired", starts=0), b=T, c=N, e=N, d=N), CHORD, NOW, ended=True),
        "expired",
        f"a had expired before a worker took it. {SO}; b in the same header still ran. e, d never ran.",
    ),
    (
        Story(nodes(a=revoked("a", "TaskExpired", last=error(), retries=3)), task("a"), NOW, ended=True),
        "expired",
        "a failed 3 times: RuntimeError: no; it had expired before its next try.",
    ),
    (
        Story(nodes(a=failing("a", "Ignore"), b=N, c=N), CHAIN, NOW, ended=True),
        "ignored",
        "a raised Ignore: Celery keeps no result of it, and nothing that waits for it ever runs. b, c never ran.",
    ),
    (
        Story(nodes(a=F, b=P, c=S), {"group": [task("a"), task("b"), task("c")]}, NOW),
        "failed",
        "a failed: RuntimeError: no. c still runs. Not begun yet: b.",
    ),
    (
        Story([*nodes(a=F), Node("b", "tasks.b", P, starts=0, called=False)], GROUP, NOW),  # an error callback, perhaps
        "failed",
        "a failed: RuntimeError: no.",
    ),
    (
        Story(nodes(a=failing("a", "Reject")), task("a"), NOW, ended=True),
        "rejected",
        "a raised Reject: Celery keeps no result of it, and nothing that waits for it ever runs.",
    ),
    (
        Story(nodes(a=T, b=T, c=T, e=N, d=T), CHORD, NOW, ended=True),
        "callback_unneeded",
        "All went well; e, for the case of an error, did not have to run.",
    ),
]


@pytest.mark.parametrize(("story", "code", "sentence"), STORIES)
def test_what_happened_to_a_run(story: Story, code: str, sentence: str) -> None:
    found = reason(story)
    assert found is not None
    assert found.code == code
    assert verdict(found, total=len(story.nodes)) == sentence
    told = facts_of(found)
    assert told is not None
    assert None not in told.values()
    for single in ("culprit", "callback", "node", "failed"):
        assert told.get(single) is None or told["names"][told[single]] == told[single]


def test_every_code_has_its_story() -> None:
    assert {code for _, code, _ in STORIES} | {"results_expired"} == set(Code)


def test_of_a_run_that_went_well_there_is_nothing_to_say() -> None:
    story = Story(nodes(a=T, b=T, c=T), CHAIN, NOW, ended=True)
    assert reason(story) is None
    assert verdict(None, total=3) == "All 3 tasks succeeded."
    later = expired(None, celery="5.6.3")
    assert verdict(later, total=1).startswith("The task succeeded. Celery's own results have expired")


def test_two_tasks_of_one_name_are_told_apart_by_their_arguments() -> None:
    tree = {"group": [task("a"), task("b")]}
    both = [Node("a", "tasks.echo", T, args=[1]), Node("b", "tasks.echo", F, args=["x" * 40], error=error())]
    found = reason(Story(both, tree, NOW, ended=True))
    assert found is not None
    assert found.names == {"b": "echo('xxxxxxxxxxxxxxxxxx…)"}


def test_what_was_replaced_has_run() -> None:
    """It had begun, and what it put in its place never ended under its id."""
    replaced = Node("a", "tasks.a", N, starts=0)
    found = reason(Story([replaced, *nodes(b=N, c=N, x=F)], CHAIN, NOW, ended=True))
    assert verdict(found, total=4) == "x failed: RuntimeError: no. b, c never ran."
    assert reason(Story([replaced, *nodes(b=T, c=T, x=T)], CHAIN, NOW, ended=True)) is None


@pytest.mark.parametrize("beside", [True, False])
def test_a_body_that_its_chord_could_not_call_never_ran(*, beside: bool) -> None:
    """Celery says that it has failed, of a task that was added to the header, or of what it could not read."""
    body = Node("c", "tasks.c", F, error=error("ChordError", "Dependency x raised"), starts=0, started_at=None)
    found = reason(Story([*nodes(a=T, b=T), body, *nodes(d=N, x=F if beside else T)], CHORD, NOW, ended=True))
    said = "x failed: RuntimeError: no. c, d never ran." if beside else "c failed: ChordError: Dependency x raised."
    assert verdict(found, total=5).startswith(said)


def test_many_tasks_are_counted_by_name() -> None:
    many = [failing("a", "ValueError"), *(Node(f"n{n}", f"tasks.{'xy'[n % 2]}", N, started_at=None) for n in range(60))]
    tree = {"chain": [task(each.id) for each in many]}
    found = reason(Story(many, tree, NOW, ended=True))
    assert verdict(found, total=61).endswith("The chain stopped at step 1: x (30 times), y (30 times) never ran.")
