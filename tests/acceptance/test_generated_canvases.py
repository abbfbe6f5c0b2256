"""Two hundred random canvases on real workers, beside a plain Python evaluation of what Celery makes of them.

The recorded states are compared with two others: what the evaluation says, and what the worker has logged.
"""

import contextlib
import random
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2 as httpx
from pydantic import TypeAdapter

from background.canvas.builder import Canvas, Chain, Chord, Group, Task, tasks_of
from background.canvas.rewriting import rewritten
from background.canvas.spec import CanvasSpec, tree_of
from background.canvas.traps import warnings_about
from tests.acceptance.test_canvas import finished, start
from tests.support import running_worker

NUMBER = 200
SEED = 20261
ADAPTER: TypeAdapter[Any] = TypeAdapter(CanvasSpec)


def leaf(rng: random.Random, *, given: bool) -> dict[str, Any]:
    """A task: one that hands on what it is given, one with a value of its own, one that fails at first or for good.

    Of some the result is ignored.
    """
    own: list[dict[str, Any]] = [
        {"task": "echo", "args": [rng.randrange(100)]},
        {"task": "flaky", "args": [rng.randrange(3)]},
    ]
    if rng.random() < 0.25:
        own = [{"task": "fail", "args": ["no"], "retries": rng.randrange(2)}]
    ignored = {"ignore_result": rng.random() < 0.1}
    if given and rng.random() < 0.8:
        return {"task": rng.choice(["echo", "finalize"])} | ignored
    return rng.choice(own) | {"immutable": given} | ignored


def callbacks(rng: random.Random) -> dict[str, Any]:
    """Callbacks of a group of tasks."""
    return {name: leaf(rng, given=False) for name in ("link", "link_error") if rng.random() < 0.4}


def generated(rng: random.Random, *, depth: int, given: bool) -> dict[str, Any]:
    """A canvas of at most `depth` layers."""
    kind = rng.choice(["task", "chain", "group", "chord"]) if depth > 1 else "task"
    if kind == "task":
        return leaf(rng, given=given)
    number = rng.randint(1, 3)
    if kind == "chain":
        return {"chain": [generated(rng, depth=depth - 1, given=given or place > 0) for place in range(number)]}
    parts = [generated(rng, depth=depth - 1, given=given) for _ in range(number)]
    if kind == "group":
        return {"group": parts} | (callbacks(rng) if all("task" in part for part in parts) else {})
    return {"chord": {"header": parts, "body": generated(rng, depth=depth - 1, given=True)}}


class Failed(Exception):
    """A task of the canvas fails, so nothing that waits for it is evaluated."""


@dataclass
class Evaluation:
    """A canvas evaluated in plain Python; `states` says what becomes of each task, in order of definition."""

    canvas: Canvas
    states: dict[str, str] = field(default_factory=dict)

    def run(self) -> Any:
        """Its result; `None` when a task has failed."""
        self.states = {task.id: "SKIPPED" for task in tasks_of(self.canvas)}
        with contextlib.suppress(Failed):
            value = self._value(self.canvas, ())
        return None if "FAILURE" in self.states.values() else value

    def _value(self, canvas: Canvas, given: tuple[Any, ...]) -> Any:
        match canvas:
            case Task():
                return self._task(canvas, () if canvas.immutable else given)
            case Chain():
                for part in canvas.parts:
                    given = (self._value(part, given),)
                return given[0]
            case Group():
                return self._all(canvas.members, given)
            case Chord():
                return self._value(canvas.body, (self._all(canvas.header, given),))

    def _all(self, members: tuple[Canvas, ...], given: tuple[Any, ...]) -> list[Any]:
        found, failed = [], False
        for member in members:
            try:
                found.append(self._value(member, given))
            except Failed:
                failed = True
        if failed:
            raise Failed
        return found

    def _task(self, task: Task, given: tuple[Any, ...]) -> Any:
        value = (*given, *task.args)[0]
        self.states[task.id] = "FAILURE" if task.name.short == "fail" else "SUCCESS"
        called = task.on_error if task.name.short == "fail" else task.on_success
        if called is not None:
            with contextlib.suppress(Failed):
                self._task(called, ())
        if task.name.short == "fail":
            raise Failed
        return {"echo": value, "finalize": f"Final result: {value}", "flaky": 1 + value if task.args else value}[
            task.name.short
        ]


def canvases() -> list[dict[str, Any]]:
    """The generated canvases, but for those in which the order of results is Celery's secret."""
    rng = random.Random(SEED)
    found: list[dict[str, Any]] = []
    while len(found) < NUMBER:
        body = generated(rng, depth=rng.randint(1, 4), given=False)
        traps = {trap.code for trap in warnings_about(tree_of(ADAPTER.validate_python(body)))}
        if not ends_in_groups(rewritten(tree_of(ADAPTER.validate_python(body)))) and "group-ends-member" not in traps:
            found.append(body)
    return found


def ends_in_groups(canvas: Canvas) -> bool:
    """Whether a member of a group or header ends in a group of its own."""
    match canvas:
        case Task():
            return False
        case Chain():
            return any(map(ends_in_groups, canvas.parts))
        case Group():
            return any(isinstance(last(each), Group) or ends_in_groups(each) for each in canvas.members)
        case Chord():
            inside = any(isinstance(last(each), Group) or ends_in_groups(each) for each in canvas.header)
            return inside or ends_in_groups(canvas.body)


def last(canvas: Canvas) -> Canvas:
    """What its result comes from."""
    match canvas:
        case Chain():
            return last(canvas.parts[-1])
        case Chord():
            return last(canvas.body)
        case _:
            return canvas


def test_generated_canvases(client: httpx.Client, tmp_path: Path) -> None:
    bodies = canvases()
    with running_worker(tmp_path / "one.log") as worker:
        started = [start(client, "/canvas", body) for body in bodies]
        ended = [finished(client, run["task_id"]) for run in started]
        log = worker.output
    succeeded = set(re.findall(r"\[([0-9a-f-]{36})\] succeeded", log))
    failed = set(re.findall(r"\[([0-9a-f-]{36})\] raised", log))
    for body, run in zip(bodies, ended, strict=True):
        evaluation = Evaluation(rewritten(tree_of(ADAPTER.validate_python(body))))
        result = evaluation.run()
        status = "FAILURE" if "FAILURE" in evaluation.states.values() else "SUCCESS"
        nodes = run["graph"]["nodes"]
        assert [node["state"] for node in nodes] == list(evaluation.states.values()), (body, run["verdict"])
        assert (run["status"], run["result"]) == (status, result), body
        assert {node["id"] for node in nodes if node["state"] == "SUCCESS"} == {
            node["id"] for node in nodes
        } & succeeded
        assert {node["id"] for node in nodes if node["state"] == "FAILURE"} == {node["id"] for node in nodes} & failed
    assert {run["status"] for run in ended} == {"SUCCESS", "FAILURE"}
