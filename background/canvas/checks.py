"""What is wrong with a canvas, found before anything is built of it."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from math import prod
from typing import Annotated, Any

from pydantic import (
    TypeAdapter,
    ValidationError,
)

from background.base.errors import FieldError, Invalid, plain
from background.base.jsontext import MAX_DEPTH
from background.canvas.spec import (
    SHORT_NAMES,
    CanvasSpec,
    ChainSpec,
    ChordSpec,
    ChunksSpec,
    GroupSpec,
    Linked,
    MapSpec,
    Single,
    StarmapSpec,
    TaskSpec,
    items_of,
    kind_of,
    parts_of,
)
from background.task_names import CATALOGUE, Parameters

MAX_BYTES = 4 * 1024 * 1024
"""How large the messages that Celery publishes at once may be together."""
MAX_LEVELS = MAX_DEPTH
"""How many levels the tree of what Celery builds may have."""
MOST_TOLD = 10**15
LEAST_BYTES = 80
"""What a task takes in a message at least."""
Where = tuple[str | int, ...]


def check(spec: CanvasSpec) -> None:
    """Raise `Invalid`, which names every fault, unless each task exists and can be called with what it is given."""
    errors = list(_faults(spec, where=("body",), given=False))
    if errors:
        raise cannot_run(errors)
    if (least := growth(spec) * LEAST_BYTES) > MAX_BYTES:
        raise too_large("canvas_bytes", MAX_BYTES, bytes=min(least, MOST_TOLD))
    if levels(spec)[0] > MAX_LEVELS:
        raise too_large("canvas_levels", MAX_LEVELS)


def cannot_run(errors: Sequence[FieldError]) -> Invalid:
    """The refusal of a canvas with these faults."""
    return Invalid(f"The canvas cannot run: {errors[0].msg}", errors=errors[:100])


def growth(spec: CanvasSpec) -> int:
    """How many times at least Celery would write what comes last in a chain.

    Each member of a group carries what follows it. Celery would build all that before it could be weighed.
    """
    within = max(map(growth, parts_of(spec)), default=1)
    if not isinstance(spec, ChainSpec):
        return within
    sides = [part.group if isinstance(part, GroupSpec) else [] for part in spec.chain[:-1]]
    return max(within, prod(len(members) + 1 for members in sides if len(members) > 1))


def levels(spec: CanvasSpec) -> tuple[int, int]:
    """How many levels of JSON at least the tree of it has, and how many levels deeper what follows it stands.

    What follows a chord, or a group, is put into its body. Celery takes the square of that to build.
    """
    match spec:
        case ChainSpec():
            deepest = above = 0
            for part in spec.chain:
                own, more = levels(part)
                deepest, above = max(deepest, above + own), above + more
            return deepest, above
        case GroupSpec():
            members = [levels(each) for each in spec.group]
            return max(own for own, _ in members), 2 if len(members) > 1 else members[0][1]
        case ChordSpec():
            own, more = levels(spec.chord.body)
            header = max(levels(each)[0] for each in spec.chord.header)
            return max(3 + header, 2 + own), 2 + max(2, more)
        case _:
            return 1, 0


TOO_LARGE = {
    "canvas_bytes": "Celery would publish more than the {} bytes that are allowed here. "
    "What follows a group is put into the message of each of its members.",
    "canvas_edges": "Celery would connect more tasks than the {} connections that are allowed here.",
    "canvas_levels": "What Celery builds of it nests deeper than the {} levels that are allowed here. "
    "What follows a chord is put into its body.",
    "canvas_tasks": "Celery would call more than the {} tasks that are allowed here.",
}
"""Why a canvas is refused, by the code of the refusal, with a place for the limit."""


def too_large(code: str, limit: int, **values: Any) -> Invalid:
    """The refusal of a canvas of which Celery would make too much; `values` say more of that."""
    return Invalid(TOO_LARGE[code].format(limit), where=("body",), code=code, limit=limit, **values)


def _faults(spec: CanvasSpec, *, where: Where, given: bool) -> Iterator[FieldError]:
    """What is wrong below here; `given`: something comes before it, whose result it is given."""
    match spec:
        case TaskSpec():
            yield from _argument_faults(spec, where=where, given=given and not spec.immutable)
        case MapSpec() | StarmapSpec() | ChunksSpec():
            yield from _item_faults(spec, where=where)
        case _:
            for place, part, handed in _places(spec, given=given):
                yield from _faults(part, where=(*where, *place), given=handed)
    if isinstance(spec, Linked):
        yield from _callback_faults(spec, where=where)


def _places(spec: ChainSpec | GroupSpec | ChordSpec, *, given: bool) -> Iterator[tuple[Where, CanvasSpec, bool]]:
    """Its parts with their places, and whether something comes before each."""
    match spec:
        case ChainSpec():
            yield from ((("chain", number), part, given or number > 0) for number, part in enumerate(spec.chain))
        case GroupSpec():
            yield from ((("group", number), part, given) for number, part in enumerate(spec.group))
        case ChordSpec():
            header = enumerate(spec.chord.header)
            yield from ((("chord", "header", number), part, given) for number, part in header)
            yield ("chord", "body"), spec.chord.body, True


def _callback_faults(spec: Linked, *, where: Where) -> Iterator[FieldError]:
    if isinstance(spec, GroupSpec) and (spec.link or spec.link_error):
        for number, member in enumerate(spec.group):
            if not isinstance(member, TaskSpec):
                place = (*where, "group", number)
                yield FieldError(place, "only a group of tasks may have callbacks; this is none", "group_callback")
    # What Celery makes of a `link` on a group is immutable: it is given nothing.
    for number, callback in enumerate(spec.link):
        place = (*where, "link") if isinstance(spec.link, Single) else (*where, "link", number)
        yield from _faults(callback, where=place, given=not isinstance(spec, GroupSpec))
    for number, callback in enumerate(spec.link_error):
        place = (*where, "link_error") if isinstance(spec.link_error, Single) else (*where, "link_error", number)
        yield from _errback_faults(callback, where=place)
        yield from _faults(callback, where=place, given=True)


def _errback_faults(spec: TaskSpec, *, where: Where) -> Iterator[FieldError]:
    """Celery calls an error callback of two parameters or more in another way: at once, with request and traceback."""
    name = SHORT_NAMES.get(spec.task)
    if name is not None and len(CATALOGUE[name].model_fields) != 1:
        message = "an error callback must be a task with one parameter"
        yield FieldError((*where, "task"), message, "link_error", {"task": spec.task})


def _argument_faults(spec: TaskSpec, *, where: Where, given: bool) -> Iterator[FieldError]:
    if (model := _model(spec.task)) is None:
        yield _unknown(spec.task, where=where)
        return
    names = list(model.model_fields)
    for name in spec.kwargs:
        values = {"task": spec.task, "argument": name, "parameters": names}
        if name not in names:
            yield FieldError((*where, "kwargs", name), f"{spec.task} has no {name!r}", "unknown_argument", values)
        elif name in names[: len(spec.args) + given]:
            yield FieldError((*where, "kwargs", name), f"{name!r} is given twice", "twice_argument", values)
    number = len(spec.args) + given + len(spec.kwargs)
    if number != len(names):
        why = " with the result that comes before it" if given else ""
        yield arguments_fault(spec.task, names, number, before=given, why=why, where=where)
        return
    for position, (name, value) in enumerate(zip(names[int(given) :], spec.args, strict=False)):
        yield from _value_faults(model, name, value, where=(*where, "args", position))
    for name in spec.kwargs.keys() & set(names):
        yield from _value_faults(model, name, spec.kwargs[name], where=(*where, "kwargs", name))


def arguments_fault(
    task: str, names: Sequence[str], number: int, *, before: bool, why: str, where: Where
) -> FieldError:
    """The fault of a task with parameters of these `names` that is given another `number`.

    `before`: with the result of what comes before it. `why` is the end of the sentence.
    """
    message = f"{task}({', '.join(names)}) takes {len(names)}, but is given {number}{why}"
    facts = {"task": task, "parameters": [*names], "takes": len(names), "given": number, "before": before}
    return FieldError((*where, "args"), message, "arguments", facts)


def _item_faults(spec: MapSpec | StarmapSpec | ChunksSpec, *, where: Where) -> Iterator[FieldError]:
    """Of each item, as if the task were called with it."""
    items, kind = items_of(spec), kind_of(spec) or ""
    if _model(items.task) is None:
        yield _unknown(items.task, where=(*where, kind))
        return
    for number, item in enumerate(items.it):
        place = (*where, kind, "it", number)
        if kind != "map" and not isinstance(item, list):
            yield FieldError(place, "must be the list of the task's arguments", "list_type")
            continue
        call = TaskSpec.model_construct(task=items.task, args=[item] if kind == "map" else item, kwargs={})
        for fault in _argument_faults(call, where=(), given=False):
            # The item is the list of arguments, or of a map the only one.
            yield replace(fault, loc=(*place, *fault.loc[2 if kind == "map" else 1 :]))


def _unknown(name: str, *, where: Where) -> FieldError:
    known = list(SHORT_NAMES)
    message = f"there is no task {name!r}; there are {', '.join(known)}"
    return FieldError((*where, "task"), message, "task", {"task": name, "known": known})


def _model(name: str) -> type[Parameters] | None:
    found = SHORT_NAMES.get(name)
    return None if found is None else CATALOGUE[found]


@cache
def _adapter(model: type[Parameters], name: str) -> TypeAdapter[Any]:
    field = model.model_fields[name]
    return TypeAdapter(Annotated[field.annotation, field])  # type: ignore[arg-type]


def _value_faults(model: type[Parameters], name: str, value: Any, *, where: Where) -> Iterator[FieldError]:
    try:
        _adapter(model, name).validate_python(value, strict=True)
    except ValidationError as error:
        for each in error.errors(include_url=False):
            yield FieldError((*where, *each["loc"]), each["msg"], each["type"], plain(each.get("ctx")))
