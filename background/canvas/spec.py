"""What `POST /canvas` takes: a canvas as JSON, checked against the catalogue before anything is sent."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from background.canvas.builder import Canvas, Chain, Chord, Group, Task, tasks_of
from background.errors import FieldError, Invalid
from background.task_names import CATALOGUE, TaskName

MAX_DEPTH = 8
MAX_NODES = 1000
SHORT_NAMES = {name.short: name for name in CATALOGUE}
OPTIONS = ("immutable", "countdown", "retries", "ignore_result", "id")
"""Of a task, as stored."""
Where = tuple[str | int, ...]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class TaskSpec(_Part):
    """One task of the catalogue. In a chain, or as a chord's body, what came before is put in front of `args`.

    `link_error` is called with the id of this one when it has failed for good. With `ignore_result` Celery hands the
    result on and stores none; it is recorded all the same.
    """

    task: str = Field(examples=["add"])
    args: list[Any] = []
    immutable: bool = False
    countdown: float | None = Field(None, ge=0, le=3600)
    retries: int = Field(0, ge=0, le=10)
    ignore_result: bool = False
    link_error: "TaskSpec | None" = None


class ChainSpec(_Part):
    """One after the other."""

    chain: list["CanvasSpec"] = Field(min_length=1)


class GroupSpec(_Part):
    """Side by side.

    Callbacks are what Celery makes of those on a group of tasks: `link` is called when the first task has succeeded,
    `link_error` for each that fails, both with their own `args` alone.
    """

    group: list["CanvasSpec"] = Field(min_length=1)
    link: TaskSpec | None = None
    link_error: TaskSpec | None = None


class ChordParts(_Part):
    """A header, side by side, and a body that is given the list of its results."""

    header: list["CanvasSpec"] = Field(min_length=1)
    body: "CanvasSpec"


class ChordSpec(_Part):
    """A chord."""

    chord: ChordParts


def _kind(value: Any) -> str | None:
    keys = set(value) if isinstance(value, dict) else set(vars(value)) if isinstance(value, _Part) else set()
    return next((kind for kind in ("task", "chain", "group", "chord") if kind in keys), None)


CanvasSpec = Annotated[
    Annotated[TaskSpec, Tag("task")]
    | Annotated[ChainSpec, Tag("chain")]
    | Annotated[GroupSpec, Tag("group")]
    | Annotated[ChordSpec, Tag("chord")],
    Discriminator(
        _kind,
        custom_error_type="canvas",
        custom_error_message='must have one of the keys "task", "chain", "group" and "chord"',
    ),
]
for model in (TaskSpec, ChainSpec, GroupSpec, ChordParts, ChordSpec):
    model.model_rebuild()


def tree_of(spec: CanvasSpec) -> Canvas:
    """The canvas as a tree with fresh ids. Raises `Invalid`, which names every fault."""
    errors = list(_faults(spec, where=("body",), given=False, depth=1))
    if errors:
        raise Invalid(f"The canvas cannot run: {errors[0].msg}", errors=errors[:100])
    canvas = _tree(spec)
    if (number := sum(1 for _ in tasks_of(canvas))) > MAX_NODES:
        raise Invalid(f"The canvas has {number} tasks; {MAX_NODES} are allowed.", where=("body",))
    return canvas


def _task(spec: TaskSpec) -> Task:
    return Task(
        SHORT_NAMES[spec.task],
        tuple(spec.args),
        immutable=spec.immutable,
        countdown=spec.countdown,
        retries=spec.retries,
        ignore_result=spec.ignore_result,
        on_error=None if spec.link_error is None else _task(spec.link_error),
    )


def _group(spec: GroupSpec) -> Group:
    """As Celery's `group.link` and `group.link_error` have it: a callback goes to the members, and is immutable."""
    members = [_tree(member) for member in spec.group]
    for number, member in enumerate(members):
        if isinstance(member, Task):
            on_success = _called(spec.link) if number == 0 else None
            members[number] = replace(
                member, on_success=on_success, on_error=_called(spec.link_error) or member.on_error
            )
    return Group(tuple(members))


def _called(spec: TaskSpec | None) -> Task | None:
    return None if spec is None else replace(_task(spec), immutable=True)


def _tree(spec: CanvasSpec) -> Canvas:
    match spec:
        case TaskSpec():
            return _task(spec)
        case ChainSpec():
            return Chain(tuple(map(_tree, spec.chain)))
        case GroupSpec():
            return _group(spec)
        case ChordSpec():
            return Chord(tuple(map(_tree, spec.chord.header)), _tree(spec.chord.body))


def _faults(spec: CanvasSpec, *, where: Where, given: bool, depth: int) -> Iterator[FieldError]:
    """What is wrong below here; `given`: something comes before it, whose result it is given."""
    if depth > MAX_DEPTH:
        yield FieldError(where, f"is nested deeper than {MAX_DEPTH}", "canvas_depth")
        return
    match spec:
        case TaskSpec():
            yield from _argument_faults(spec, where=where, given=given and not spec.immutable)
            if spec.link_error is not None:
                yield from _callback_faults(spec.link_error, where=(*where, "link_error"), given=True, depth=depth + 1)
        case ChainSpec():
            for number, part in enumerate(spec.chain):
                yield from _faults(part, where=(*where, "chain", number), given=given or number > 0, depth=depth + 1)
        case GroupSpec():
            for number, part in enumerate(spec.group):
                yield from _faults(part, where=(*where, "group", number), given=given, depth=depth + 1)
            yield from _group_callback_faults(spec, where=where, depth=depth + 1)
        case ChordSpec():
            below = (*where, "chord")
            for number, part in enumerate(spec.chord.header):
                yield from _faults(part, where=(*below, "header", number), given=given, depth=depth + 1)
            yield from _faults(spec.chord.body, where=(*below, "body"), given=True, depth=depth + 1)


def _group_callback_faults(spec: GroupSpec, *, where: Where, depth: int) -> Iterator[FieldError]:
    if spec.link is not None:
        yield from _faults(spec.link, where=(*where, "link"), given=False, depth=depth)
    if spec.link_error is not None:
        yield from _callback_faults(spec.link_error, where=(*where, "link_error"), given=False, depth=depth)
    for number, member in enumerate(spec.group if spec.link or spec.link_error else ()):
        place = (*where, "group", number)
        if not isinstance(member, TaskSpec):
            yield FieldError(place, "only a group of tasks may have callbacks; this is none", "group_callback")
        elif spec.link_error is not None and member.link_error is not None:
            yield FieldError(place, "has an error callback, and so has its group", "group_callback")


def _callback_faults(spec: TaskSpec, *, where: Where, given: bool, depth: int) -> Iterator[FieldError]:
    """Celery calls an error callback of two parameters or more in another way: at once, with request and traceback."""
    name = SHORT_NAMES.get(spec.task)
    if name is not None and len(CATALOGUE[name].model_fields) != 1:
        yield FieldError((*where, "task"), "an error callback must be a task with one parameter", "link_error")
    else:
        yield from _faults(spec, where=where, given=given, depth=depth)


def _argument_faults(spec: TaskSpec, *, where: Where, given: bool) -> Iterator[FieldError]:
    name = SHORT_NAMES.get(spec.task)
    if name is None:
        known = ", ".join(SHORT_NAMES)
        yield FieldError((*where, "task"), f"there is no task {spec.task!r}; there are {known}", "task")
        return
    fields = list(CATALOGUE[name].model_fields.items())
    number = len(spec.args) + given
    if number != len(fields):
        wanted = ", ".join(parameter for parameter, _ in fields)
        before = " with the result that comes before it" if given else ""
        yield FieldError(
            (*where, "args"), f"{spec.task}({wanted}) takes {len(fields)}, but is given {number}{before}", "arguments"
        )
        return
    for position, (value, (_, field)) in enumerate(zip(spec.args, fields[int(given) :], strict=True)):
        for message, kind in _value_faults(value, field):
            yield FieldError((*where, "args", position), message, kind)


def _value_faults(value: Any, field: FieldInfo) -> Sequence[tuple[str, str]]:
    adapter: TypeAdapter[Any] = TypeAdapter(Annotated[field.annotation, field])  # type: ignore[arg-type]
    try:
        adapter.validate_python(value, strict=True)
    except ValidationError as error:
        return [(each["msg"], each["type"]) for each in error.errors(include_url=False)]
    return []


def to_json(canvas: Canvas) -> dict[str, Any]:
    """The tree with its ids, to be stored; `from_json` gives it back."""
    match canvas:
        case Task():
            return {
                "task": canvas.name.value,
                "args": list(canvas.args),
                **{name: getattr(canvas, name) for name in OPTIONS},
                "on_success": None if canvas.on_success is None else to_json(canvas.on_success),
                "on_error": None if canvas.on_error is None else to_json(canvas.on_error),
            }
        case Chain():
            return {"chain": [to_json(part) for part in canvas.parts]}
        case Group():
            return {"group": [to_json(part) for part in canvas.members], "id": canvas.id}
        case Chord():
            return {"header": [to_json(part) for part in canvas.header], "body": to_json(canvas.body)}


def _stored_task(stored: dict[str, Any]) -> Task:
    """The task; what was stored before there was an option has none of it."""
    known: dict[str, Any] = {name: stored[name] for name in OPTIONS if name in stored}
    for name in ("on_success", "on_error"):
        known[name] = _stored_task(stored[name]) if stored.get(name) else None
    return Task(TaskName(stored["task"]), tuple(stored["args"]), **known)


def from_json(stored: dict[str, Any]) -> Canvas:
    """The tree that `to_json` wrote."""
    match stored:
        case {"task": _}:
            return _stored_task(stored)
        case {"chain": parts}:
            return Chain(tuple(map(from_json, parts)))
        case {"group": members, "id": id_}:
            return Group(tuple(map(from_json, members)), id=id_)
        case {"header": header, "body": body}:
            return Chord(tuple(map(from_json, header)), from_json(body))
    raise ValueError(f"This is no canvas: {json.dumps(stored)[:200]}")
