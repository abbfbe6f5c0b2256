"""A canvas as a tree, and what can be made of it: the Celery signature, the graph, the Python expression.

Every task gets its id here, before anything is published; Celery keeps ids that are set beforehand through
chains, groups and chords. So a run can be recorded first. Its graph is the one that runs where the tree is as
Celery would rewrite it (`rewriting`): then nothing is left for Celery to change.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise, product
from typing import Any
from uuid import uuid4

from celery import chain, chord, group
from celery.canvas import Signature

from background.celery import DEFAULT_PRIORITY, celery_app
from background.task_names import RETRIES_HEADER, TaskName


def _new_id() -> str:
    return str(uuid4())


@dataclass(frozen=True)
class Task:
    """One call of a task. The result of what comes before it is put in front of `args`, unless it is `immutable`.

    It begins after `countdown` seconds, and is tried again up to `retries` times. `on_success` is called with its
    result when it has succeeded, `on_error` with its id when it has failed for good; nothing waits for them. With
    `ignore_result` Celery hands its result on, and stores none.
    """

    name: TaskName
    args: tuple[Any, ...] = ()
    immutable: bool = False
    countdown: float | None = None
    retries: int = 0
    ignore_result: bool = False
    on_success: "Task | None" = None
    on_error: "Task | None" = None
    id: str = field(default_factory=_new_id)


@dataclass(frozen=True)
class Chain:
    """One after the other, each given the result of the one before."""

    parts: tuple["Canvas", ...]


@dataclass(frozen=True)
class Group:
    """Side by side; the result is the list of theirs, under `id`."""

    members: tuple["Canvas", ...]
    id: str = field(default_factory=_new_id)


@dataclass(frozen=True)
class Chord:
    """A group, and a body (its callback) that is given the list of its results."""

    header: tuple["Canvas", ...]
    body: "Canvas"


Canvas = Task | Chain | Group | Chord
Edge = tuple[str, str]


def tasks_of(canvas: Canvas) -> Iterator[Task]:
    """All tasks, depth first in the order of definition, header before body, callbacks after their task."""
    if isinstance(canvas, Task):
        yield canvas
    for part in _parts(canvas):
        yield from tasks_of(part)


def edges_of(canvas: Canvas) -> Iterator[Edge]:
    """Pairs of task ids: the second waits for the first, an error callback for the failure of its task."""
    for part in _parts(canvas):
        yield from edges_of(part)
        if isinstance(canvas, Task):
            yield canvas.id, run_id(part)
    if isinstance(canvas, Chain):
        for before, after in pairwise(canvas.parts):
            yield from product(_last_ids(before), _first_ids(after))
    if isinstance(canvas, Chord):
        for member in canvas.header:
            yield from product(_last_ids(member), _first_ids(canvas.body))


def errbacks_of(canvas: Canvas) -> dict[str, list[str]]:
    """For each task that has such the ids of what is called when it fails.

    That is its own error callback and, of a task that is a member of a chord's header, or of a chain that is one,
    also the body's: Celery calls that, too (celery/backends/base.py, `chord_error_from_stack`).
    """
    found = {task.id: [task.on_error.id] for task in tasks_of(canvas) if task.on_error is not None}
    for part in _within(canvas):
        if isinstance(part, Chord) and isinstance(part.body, Task) and part.body.on_error is not None:
            for member in part.header:
                for task in member.parts if isinstance(member, Chain) else (member,):
                    if isinstance(task, Task):
                        found.setdefault(task.id, []).append(part.body.on_error.id)
    return found


def result_ids(canvas: Canvas) -> Any:
    """Where the canvas's result comes from: a task's id, or a list of such for a group."""
    match canvas:
        case Task():
            return canvas.id
        case Chain():
            return result_ids(canvas.parts[-1])
        case Group():
            return [result_ids(member) for member in canvas.members]
        case Chord():
            return result_ids(canvas.body)


def run_id(canvas: Canvas) -> str:
    """The id whose result is the whole canvas's: the last task's, the callback's, or the group's own."""
    match canvas:
        case Task() | Group():
            return canvas.id
        case Chain():
            return run_id(canvas.parts[-1])
        case Chord():
            return run_id(canvas.body)


def signature_of(canvas: Canvas) -> Signature:
    """What Celery is given to publish."""
    match canvas:
        case Task():
            options = {"task_id": canvas.id, "priority": DEFAULT_PRIORITY, **_options_of(canvas)}
            found = celery_app.signature(canvas.name.value, args=canvas.args, immutable=canvas.immutable, **options)
            if canvas.on_success is not None:
                found.link(signature_of(canvas.on_success))
            return found if canvas.on_error is None else found.on_error(signature_of(canvas.on_error))
        case Chain():
            return chain(*map(signature_of, canvas.parts), app=celery_app)
        case Group():
            return group(map(signature_of, canvas.members), app=celery_app).set(task_id=canvas.id)
        case Chord():
            header = group(map(signature_of, canvas.header), app=celery_app)
            return chord(header, signature_of(canvas.body), app=celery_app)


def code_of(canvas: Canvas) -> str:
    """The Python expression of the canvas."""
    match canvas:
        case Task():
            options = [f"{name}={value!r}" for name, value in _options_of(canvas).items()]
            if canvas.on_success is not None:
                options.append(f"link={code_of(canvas.on_success)}")
            call = f"{canvas.name.short}.{'si' if canvas.immutable else 's'}({', '.join(map(repr, canvas.args))})"
            call += f".set({', '.join(options)})" if options else ""
            return call if canvas.on_error is None else f"{call}.on_error({code_of(canvas.on_error)})"
        case Chain():
            return f"chain({', '.join(map(code_of, canvas.parts))})"
        case Group():
            return f"group({', '.join(map(code_of, canvas.members))})"
        case Chord():
            return f"chord([{', '.join(map(code_of, canvas.header))}], {code_of(canvas.body)})"


def _options_of(task: Task) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if task.countdown is not None:
        options["countdown"] = task.countdown
    if task.retries:
        options["headers"] = {RETRIES_HEADER: task.retries}
    if task.ignore_result:
        options["ignore_result"] = True
    return options


def _parts(canvas: Canvas) -> tuple[Canvas, ...]:
    match canvas:
        case Task():
            return tuple(each for each in (canvas.on_success, canvas.on_error) if each is not None)
        case Chain():
            return canvas.parts
        case Group():
            return canvas.members
        case Chord():
            return (*canvas.header, canvas.body)


def _within(canvas: Canvas) -> Iterator[Canvas]:
    yield canvas
    for part in _parts(canvas):
        yield from _within(part)


def _first_ids(canvas: Canvas) -> list[str]:
    match canvas:
        case Task():
            return [canvas.id]
        case Chain():
            return _first_ids(canvas.parts[0])
        case Group() | Chord():
            parts = canvas.members if isinstance(canvas, Group) else canvas.header
            return [id_ for part in parts for id_ in _first_ids(part)]


def _last_ids(canvas: Canvas) -> list[str]:
    match canvas:
        case Task():
            return [canvas.id]
        case Chain():
            return _last_ids(canvas.parts[-1])
        case Group():
            return [id_ for member in canvas.members for id_ in _last_ids(member)]
        case Chord():
            return _last_ids(canvas.body)
