"""What `POST /canvas` takes: a canvas as JSON, checked against the catalogue before anything is built."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    TypeAdapter,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic_core import PydanticCustomError

from background.base.strict import Strict
from background.task_names import CATALOGUE, TaskName

Path = tuple[str | int, ...]
"""The keys that lead to a part of a canvas, as in JSON."""

MAX_DEPTH = 8
MAX_TASKS = 1000
MAX_ITEMS = 10_000
MAX_SECONDS = 3600
FIRST_YEAR, LAST_YEAR = 2000, 2200
SHORT_NAMES = {name.short: name for name in CATALOGUE}
KINDS = ("task", "chain", "group", "chord", "map", "starmap", "chunks")


class Linked(Strict):
    """Callbacks, as Celery's `link` and `link_error` take them: one task or several."""

    link: "Callbacks" = Field(default_factory=list)
    link_error: "Callbacks" = Field(default_factory=list)


def _text(value: Any) -> Any:
    """A time of JSON is text, which a strict model would not take; and a lax one takes numbers, too."""
    if value is not None and not isinstance(value, str | datetime):
        raise PydanticCustomError("datetime_type", "must be a time such as 2030-01-31T12:00:00Z")
    return value


def _in_range(value: datetime | None) -> datetime | None:
    """Times that every part of the way can hold: in UTC, since PostgreSQL takes no zone of more than 16 hours."""
    try:
        found = value and value.astimezone(UTC)
    except OverflowError:
        found = datetime.max.replace(tzinfo=UTC)
    if found is not None and not FIRST_YEAR <= found.year <= LAST_YEAR:
        message = "must be between the years {first} and {last}"
        raise PydanticCustomError("eta_range", message, {"first": FIRST_YEAR, "last": LAST_YEAR})
    return found


class TaskSpec(Linked):
    """One task of the catalogue. In a chain, or as a chord's body, what came before is put in front of `args`.

    `link` is called with its result, `link_error` with its id when it has failed for good. With `ignore_result` Celery
    hands the result on and stores none; it is recorded all the same. `countdown`, `expires` and `time_limit` are
    seconds; of priorities Redis serves 0 first.
    """

    task: str = Field(examples=["add"])
    args: list[Any] = Field(default_factory=list)
    kwargs: dict[str, Any] = Field(default_factory=dict)
    immutable: bool = False
    countdown: float | None = Field(None, ge=0, le=MAX_SECONDS)
    eta: Annotated[AwareDatetime | None, Field(strict=False), BeforeValidator(_text), AfterValidator(_in_range)] = None
    expires: float | None = Field(None, gt=0, le=MAX_SECONDS)
    retries: int = Field(0, ge=0, le=10)
    ignore_result: bool = False
    queue: str | None = Field(None, pattern=r"^[A-Za-z0-9_.-]{1,64}$")
    priority: int | None = Field(None, ge=0, le=9)
    time_limit: float | None = Field(None, gt=0, le=MAX_SECONDS)


class ChainSpec(Linked):
    """A chain: one after the other. `link` is called after the last; `link_error` when one of them fails."""

    chain: list["CanvasSpec"] = Field(min_length=1)


class GroupSpec(Linked):
    """Side by side.

    Callbacks are what Celery makes of those on a group of tasks: `link` is called after the first member alone, and is
    given nothing; `link_error` for each that fails.
    """

    group: list["CanvasSpec"] = Field(min_length=1)


class ChordParts(Strict):
    """A header, side by side, and a body that is given the list of its results."""

    header: list["CanvasSpec"] = Field(min_length=1)
    body: "CanvasSpec"


class ChordSpec(Linked):
    """A chord. Its callbacks are the body's."""

    chord: ChordParts


class Items(Strict):
    """A task of the catalogue and what it is called with, once for each item of `it`."""

    task: str
    it: list[Any] = Field(min_length=1, max_length=MAX_ITEMS)


class MapSpec(Strict):
    """`task.map(it)`: one task that calls it with each item, one after the other."""

    map: Items


class StarmapSpec(Strict):
    """`task.starmap(it)`: the same, each item being the list of its arguments."""

    starmap: Items


class Chunked(Items):
    """The items of a map or starmap in parts of `n`, each a task."""

    n: int = Field(ge=1, le=MAX_ITEMS)


class ChunksSpec(Strict):
    """`task.chunks(it, n).group()`: a group of `starmap`s of `n` items each."""

    chunks: Chunked


Called = TaskSpec | MapSpec | StarmapSpec | ChunksSpec
"""What names a task that is called."""


def kind_of(value: Any) -> str | None:
    """Which of `KINDS` a part of a canvas is, as JSON or as model; `None` for what is none."""
    keys = value if isinstance(value, dict) else vars(value) if isinstance(value, Strict) else ()
    return next((kind for kind in KINDS if kind in keys), None)


def _tag(value: Any) -> str | None:
    """In angle brackets, so that `problems` can leave it out of the place of a fault: it stands nowhere in the JSON."""
    kind = kind_of(value)
    return kind and f"<{kind}>"


CanvasSpec = Annotated[
    Annotated[TaskSpec, Tag("<task>")]
    | Annotated[ChainSpec, Tag("<chain>")]
    | Annotated[GroupSpec, Tag("<group>")]
    | Annotated[ChordSpec, Tag("<chord>")]
    | Annotated[MapSpec, Tag("<map>")]
    | Annotated[StarmapSpec, Tag("<starmap>")]
    | Annotated[ChunksSpec, Tag("<chunks>")],
    Discriminator(
        _tag,
        custom_error_type="canvas",
        custom_error_message=f"must have one of the keys {', '.join(KINDS)}",
    ),
]


class Single(list[TaskSpec]):
    """The list of a callback that was written without one."""


def _listed(given: Any, validate: ValidatorFunctionWrapHandler) -> list[TaskSpec]:
    kinds = map(kind_of, given if isinstance(given, list) else [given])
    if (kind := next((kind for kind in kinds if kind not in (None, "task")), None)) is not None:
        raise PydanticCustomError("callback", "a callback is a task, or a list of tasks, and no {kind}", {"kind": kind})
    found: list[TaskSpec] = validate(given if isinstance(given, list) else [given])
    return found if isinstance(given, list) else Single(found)


Callbacks = Annotated[list[TaskSpec], WrapValidator(_listed)]
PARTS = (Linked, TaskSpec, ChainSpec, GroupSpec, ChordParts, ChordSpec)

for model in PARTS:
    model.model_rebuild()


def _bounded(value: Any) -> Any:
    """Refuse what is too large before a model looks at it, which costs far more than counting."""
    tasks, parts, level, depth = 0, 0, [value], 0
    while level:
        parts += len(level)
        depth += 1
        if depth > MAX_DEPTH + 1:
            raise PydanticCustomError("canvas_depth", "is nested deeper than {limit}", {"limit": MAX_DEPTH})
        tasks += sum(_raw_tasks(part) if isinstance(part, dict) else 1 for part in level)
        if tasks > MAX_TASKS or parts > MAX_TASKS * MAX_DEPTH:
            raise PydanticCustomError("canvas_tasks", "has more than {limit} tasks", {"limit": MAX_TASKS})
        level = [below for part in level if isinstance(part, dict) for below in _raw_parts(part)]
    return value


def _raw_tasks(part: dict[str, Any]) -> int:
    """How many tasks it is itself; what is no canvas counts as one, and a model tells later."""
    match part:
        case {"chunks": {"it": list(items), "n": int(number)}} if number > 0:
            return -(-len(items) // number)
        case _:
            return int(not {"chain", "group", "chord"} & part.keys())


def _raw_parts(part: dict[str, Any]) -> Iterator[Any]:
    chord = part.get("chord")
    found = [part.get("chain"), part.get("group"), part.get("link"), part.get("link_error")]
    found += [chord.get("header"), chord.get("body")] if isinstance(chord, dict) else []
    for each in found:
        if isinstance(each, list):
            yield from each
        elif each is not None:
            yield each


BoundedCanvas = Annotated[CanvasSpec, BeforeValidator(_bounded)]
"""The body of a request."""
STORED: TypeAdapter[CanvasSpec] = TypeAdapter(CanvasSpec)


def task(name: TaskName, *args: Any, **options: Any) -> TaskSpec:
    """A task with these arguments and options."""
    return TaskSpec(task=name.short, args=list(args), **options)


def chain(*parts: CanvasSpec) -> ChainSpec:
    """One after the other."""
    return ChainSpec(chain=list(parts))


def group(members: Sequence[CanvasSpec]) -> GroupSpec:
    """Side by side."""
    return GroupSpec(group=list(members))


def chord(header: Sequence[CanvasSpec], body: CanvasSpec) -> ChordSpec:
    """Side by side, and then the body."""
    return ChordSpec(chord=ChordParts(header=list(header), body=body))


def to_text(spec: CanvasSpec) -> str:
    """The canvas as it was posted, to be stored; `from_text` gives it back."""
    return STORED.dump_json(spec, exclude_defaults=True, ensure_ascii=True).decode()


def from_text(text: str) -> CanvasSpec:
    """The canvas that `to_text` wrote, whatever the catalogue says today."""
    return STORED.validate_json(text)


def placed_parts(spec: CanvasSpec) -> Iterator[tuple[Path, CanvasSpec]]:
    """What it is directly made of, in the order of definition, callbacks last; each with the path that leads to it."""
    match spec:
        case ChainSpec():
            yield from _placed(spec.chain, "chain")
        case GroupSpec():
            yield from _placed(spec.group, "group")
        case ChordSpec():
            yield from _placed(spec.chord.header, "chord", "header")
            yield ("chord", "body"), spec.chord.body
    if isinstance(spec, Linked):
        yield from _placed(spec.link, "link")
        yield from _placed(spec.link_error, "link_error")


def _placed(parts: Sequence[CanvasSpec], *path: str) -> Iterator[tuple[Path, CanvasSpec]]:
    if isinstance(parts, Single):
        yield path, parts[0]
        return
    for number, part in enumerate(parts):
        yield (*path, number), part


def parts_of(spec: CanvasSpec) -> Iterator[CanvasSpec]:
    """What it is directly made of, in the order of definition, callbacks last."""
    return (part for _, part in placed_parts(spec))


def names_of(spec: CanvasSpec) -> Iterator[str]:
    """The catalogue names of all tasks in it."""
    match spec:
        case TaskSpec():
            yield spec.task
        case MapSpec() | StarmapSpec() | ChunksSpec():
            yield items_of(spec).task
    for part in parts_of(spec):
        yield from names_of(part)


def items_of(spec: MapSpec | StarmapSpec | ChunksSpec) -> Items:
    """The task that is called, and with what."""
    return spec.map if isinstance(spec, MapSpec) else spec.starmap if isinstance(spec, StarmapSpec) else spec.chunks
