"""What is wrong with a canvas: `check` before anything is built of it, `call_faults` by what Celery hands each task."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from math import prod
from typing import Annotated, Any

from pydantic import (
    TypeAdapter,
    ValidationError,
)

from background.base.errors import FieldError, Invalid, plain, said
from background.base.jsontext import MAX_DEPTH
from background.canvas.spec import (
    SHORT_NAMES,
    Called,
    CanvasSpec,
    ChainSpec,
    ChordSpec,
    ChunksSpec,
    GroupSpec,
    MapSpec,
    StarmapSpec,
    TaskSpec,
    items_of,
    kind_of,
    parts_of,
    placed_parts,
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
    """Raise `Invalid`, which names every fault, unless Celery can be asked what it builds of it."""
    errors = list(_faults(spec, where=("body",)))
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


def _faults(spec: CanvasSpec, *, where: Where) -> Iterator[FieldError]:
    """What Celery cannot build, or not as it is written, here and below."""
    match spec:
        case TaskSpec():
            yield from _unknown(spec.task, where=where)
        case MapSpec() | StarmapSpec() | ChunksSpec():
            yield from _unknown(items_of(spec).task, where=(*where, kind_of(spec) or ""))
        case GroupSpec() if spec.link or spec.link_error:
            for number, member in enumerate(spec.group):
                if not isinstance(member, TaskSpec):
                    place = (*where, "group", number)
                    yield FieldError(place, "only a group of tasks may have callbacks; this is none", "group_callback")
    for path, part in placed_parts(spec):
        yield from _faults(part, where=(*where, *path))


def call_faults(called: Called, *, where: Where, given: bool, promised: bool) -> Iterator[FieldError]:
    """What is wrong with what a task of the catalogue is called with; `given`: also with the result before it.

    `promised`: Celery calls it after something, whether or not it hands it anything.
    """
    if isinstance(called, TaskSpec):
        if where[-1] == "link_error" or (isinstance(where[-1], int) and where[-2] == "link_error"):
            yield from _errback_faults(called, where=where)
        yield from _argument_faults(called, where=where, given=given, promised=promised)
    else:
        yield from _item_faults(called, where=where)


def _errback_faults(spec: TaskSpec, *, where: Where) -> Iterator[FieldError]:
    """Celery calls an error callback of two parameters or more in another way: at once, with request and traceback."""
    if len(_model(spec.task).model_fields) != 1:
        message = "an error callback must be a task with one parameter"
        yield FieldError((*where, "task"), message, "link_error", {"task": spec.task})


def _argument_faults(
    spec: TaskSpec, *, where: Where, given: bool = False, promised: bool = False
) -> Iterator[FieldError]:
    model = _model(spec.task)
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
        if promised and not given and number < len(names):
            why = ": Celery hands it nothing"
        message = f"{spec.task}({', '.join(names)}) takes {len(names)}, but is given {number}{why}"
        facts = {"task": spec.task, "parameters": names, "takes": len(names), "given": number, "before": given}
        yield FieldError((*where, "args"), message, "arguments", facts)
        return
    for position, (name, value) in enumerate(zip(names[int(given) :], spec.args, strict=False)):
        yield from _value_faults(model, name, value, where=(*where, "args", position))
    for name in spec.kwargs.keys() & set(names):
        yield from _value_faults(model, name, spec.kwargs[name], where=(*where, "kwargs", name))


def _item_faults(spec: MapSpec | StarmapSpec | ChunksSpec, *, where: Where) -> Iterator[FieldError]:
    """Of each item, as if the task were called with it."""
    items, kind = items_of(spec), kind_of(spec) or ""
    for number, item in enumerate(items.it):
        place = (*where, kind, "it", number)
        if kind != "map" and not isinstance(item, list):
            yield FieldError(place, "must be the list of the task's arguments", "list_type")
            continue
        call = TaskSpec.model_construct(task=items.task, args=[item] if kind == "map" else item, kwargs={})
        for fault in _argument_faults(call, where=()):
            # The item is the list of arguments, or of a map the only one.
            yield replace(fault, loc=(*place, *fault.loc[2 if kind == "map" else 1 :]))


def _unknown(name: str, *, where: Where) -> Iterator[FieldError]:
    if name not in SHORT_NAMES:
        known = list(SHORT_NAMES)
        message = f"there is no task {name!r}; there are {', '.join(known)}"
        yield FieldError((*where, "task"), message, "task", {"task": name, "known": known})


def _model(name: str) -> type[Parameters]:
    return CATALOGUE[SHORT_NAMES[name]]


@cache
def _adapter(model: type[Parameters], name: str) -> TypeAdapter[Any]:
    field = model.model_fields[name]
    return TypeAdapter(Annotated[field.annotation, field])  # type: ignore[arg-type]


def _value_faults(model: type[Parameters], name: str, value: Any, *, where: Where) -> Iterator[FieldError]:
    try:
        _adapter(model, name).validate_python(value, strict=True)
    except ValidationError as error:
        for each in error.errors(include_url=False):
            yield FieldError((*where, *each["loc"]), said(each), each["type"], plain(each.get("ctx")))
