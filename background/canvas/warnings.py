"""What surprises people about a canvas, said before it runs: from what was written and what Celery builds of it."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Any, get_origin

from background.base.errors import Invalid
from background.base.queue_names import QUEUE
from background.canvas.built import Built
from background.canvas.dry import dry_app
from background.canvas.plan import Plan
from background.canvas.reader import MAPS
from background.canvas.spec import (
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
)
from background.canvas.trees import Tree, ends_in_group, errbacks, first_ids, inside, last_ids
from background.celery import VISIBILITY_SECONDS
from background.task_names import CATALOGUE, TaskName, short_name

GUIDE = "https://docs.celeryq.dev/en/stable/userguide"
DOCS = f"{GUIDE}/canvas.html"
ISSUES = "https://github.com/celery/celery/issues"
SEEN_ON = "5.6.3"
"""The Celery on which each trap was seen; `docs/celery-versions.md` has what others do."""
LARGE_BYTES = 256 * 1024
ONE_VALUE = frozenset(
    name
    for name, model in CATALOGUE.items()
    if (first := next(iter(model.model_fields.values())).annotation) is not Any and get_origin(first) is not list
)
"""Tasks whose first parameter is no list: one makes them fail."""


class WarningCode(StrEnum):
    """Every warning there is."""

    GROUP_BECOMES_CHORD = "group-becomes-chord"
    GROUP_OF_ONE = "group-of-one"
    HEADER_OF_ONE = "header-of-one"
    NESTED_GROUP = "nested-group"
    NESTED_GROUP_REVERSED = "nested-group-reversed"
    GROUP_ENDS_MEMBER = "group-ends-member"
    HEADER_FAILURE = "header-failure"
    IGNORED_HEADER = "ignored-header"
    GROUP_LINK = "group-link"
    GROUP_LINK_ERROR = "group-link-error"
    IMMUTABLE = "immutable"
    IGNORED_RESULT = "ignored-result"
    COUNTDOWN = "countdown"
    LIST_TO_ONE = "list-to-one"
    MESSAGE_SIZE = "message-size"
    BODY_ERRBACK = "body-errback"
    QUEUE = "queue"
    TIME_LIMIT = "time-limit"
    ONE_TASK = "one-task"
    REPEATED = "repeated"


SAID: Mapping[WarningCode, tuple[str, str]] = {
    WarningCode.GROUP_BECOMES_CHORD: (
        "A group followed by a task becomes a chord, with that task as its body.",
        DOCS,
    ),
    WarningCode.GROUP_OF_ONE: (
        "A group of one inside a chain is just its task: what follows is given the value, not a list.",
        f"{ISSUES}/3885",
    ),
    WarningCode.HEADER_OF_ONE: (
        "A chord with one header task stays a chord: its body is given a list of one.",
        f"{ISSUES}/3885",
    ),
    WarningCode.NESTED_GROUP: ("A group inside a group is unrolled: its results stand in one flat list.", DOCS),
    WarningCode.NESTED_GROUP_REVERSED: (
        "A group inside a header is unrolled backwards: its results stand in one flat list, the last one first.",
        f"{ISSUES}/8259",
    ),
    WarningCode.GROUP_ENDS_MEMBER: (
        (
            "A header member that ends in a group gives the body a list within its list. Celery counts the members "
            "anew when it sends that group: it may call the body before the others have ended, or, rarely, not at all."
        ),
        DOCS,
    ),
    WarningCode.HEADER_FAILURE: (
        "When one of the header's tasks fails, its siblings still run, and what follows the header never does.",
        f"{ISSUES}/8211",
    ),
    WarningCode.IGNORED_HEADER: (
        "A chord needs its header's results: ignored ones reach the body with the Redis result backend alone.",
        f"{DOCS}#chord-important-notes",
    ),
    WarningCode.GROUP_LINK: (
        "A callback on a group is one on its first task: it waits for no other, and is given no result.",
        f"{ISSUES}/4281",
    ),
    WarningCode.GROUP_LINK_ERROR: (
        "Error callbacks of a group belong to its tasks: one call for each that fails, none for the group.",
        f"{ISSUES}/4281",
    ),
    WarningCode.IMMUTABLE: ("{task} is immutable: the result before it is dropped.", DOCS),
    WarningCode.IGNORED_RESULT: (
        "Celery stores no result of {task}: there it stays PENDING for ever. The record here has it.",
        f"{GUIDE}/tasks.html#ignore-results-you-don-t-want",
    ),
    WarningCode.COUNTDOWN: (
        "A countdown or eta of more than {seconds} s, the visibility timeout, is delivered more than once.",
        f"{ISSUES}/5935",
    ),
    WarningCode.LIST_TO_ONE: ("{task} is given a list of results, and expects one value.", DOCS),
    WarningCode.MESSAGE_SIZE: (
        "Celery publishes {bytes} bytes at once: what follows a group is put into each of its members.",
        f"{ISSUES}/5000",
    ),
    WarningCode.BODY_ERRBACK: (
        "An error callback of a chord's body is called when the header fails, too, though the body never runs.",
        f"{DOCS}#error-handling",
    ),
    WarningCode.QUEUE: (
        "Only a worker that was started with -Q {queue} takes it from that queue.",
        f"{GUIDE}/routing.html",
    ),
    WarningCode.TIME_LIMIT: ("Only the prefork pool enforces a time limit.", f"{GUIDE}/workers.html#time-limits"),
    WarningCode.REPEATED: (
        "{task} is called once for each member of the group before it, each time under the same id.",
        f"{ISSUES}/3585",
    ),
    WarningCode.ONE_TASK: (
        "map and starmap are one task: {task} is called with one item after the other, in one worker.",
        f"{DOCS}#map-starmap",
    ),
}
"""What will happen, with places for values, and where it is described."""


@dataclass(frozen=True)
class CanvasWarning:
    """A known trap in a canvas: what will happen, as facts and in a sentence, and where it is described.

    `celery` is the version on which it was seen.
    """

    code: WarningCode
    message: str
    url: str
    values: Mapping[str, Any]
    celery: str


def warned(code: WarningCode, **values: Any) -> CanvasWarning:
    """The warning with these values."""
    message, url = SAID[code]
    return CanvasWarning(code, message.format(**values), url, values, SEEN_ON)


def warnings_about(spec: CanvasSpec, plan: Plan) -> list[CanvasWarning]:
    """Every trap in the canvas, each once."""
    found: dict[tuple[WarningCode, str], CanvasWarning] = {}
    for each in (*_written(spec), *_built(plan), *_dropped(spec)):
        found.setdefault((each.code, each.message), each)
    return list(found.values())


def _written(spec: CanvasSpec) -> Iterator[CanvasWarning]:
    """The traps in what was written."""
    for part in _inside(spec):
        match part:
            case TaskSpec():
                yield from _of_task(part)
            case MapSpec() | StarmapSpec():
                yield warned(WarningCode.ONE_TASK, task=items_of(part).task)
            case _:
                yield from (warned(code) for code in _codes(part))


def _dropped(spec: CanvasSpec) -> Iterator[CanvasWarning]:
    """Immutable tasks that would be given a result: Celery is asked for the same canvas in which nothing is immutable.

    Maps and chunks always are. An error callback is given an id. Nothing is said where that canvas would be too large.
    """
    if not any(map(_is_immutable, _inside(spec))):
        return
    with suppress(Invalid):
        found = Built.of(spec, mutable=True)
        called = errbacks(found.plan.tree)
        given = {node.origin for id_, node in found.plan.nodes.items() if node.given and id_ not in called}
        for origin, (_, each) in found.written.items():
            if origin in given and _is_immutable(each):
                yield warned(WarningCode.IMMUTABLE, task=each.task if isinstance(each, TaskSpec) else _mapped(each))


def _is_immutable(spec: CanvasSpec) -> bool:
    return spec.immutable if isinstance(spec, TaskSpec) else isinstance(spec, MapSpec | StarmapSpec | ChunksSpec)


def _mapped(spec: MapSpec | StarmapSpec | ChunksSpec) -> str:
    return f"{items_of(spec).task}.{kind_of(spec)}"


def _inside(spec: CanvasSpec) -> Iterator[CanvasSpec]:
    """The canvas and all parts within."""
    yield spec
    for part in parts_of(spec):
        yield from _inside(part)


def _codes(spec: CanvasSpec) -> Iterator[WarningCode]:
    """The traps in how a chain, a group or a chord is made."""
    match spec:
        case ChainSpec():
            for before in _steps(spec)[:-1]:
                if number := _members(before):
                    yield WarningCode.GROUP_OF_ONE if number == 1 else WarningCode.GROUP_BECOMES_CHORD
        case GroupSpec():
            if any(map(_members, spec.group)):
                yield WarningCode.NESTED_GROUP
            yield from [WarningCode.GROUP_LINK] if spec.link else []
            yield from [WarningCode.GROUP_LINK_ERROR] if spec.link_error else []
        case ChordSpec():
            if any(_members(member) > 1 for member in spec.chord.header):
                yield WarningCode.NESTED_GROUP_REVERSED


def _steps(spec: ChainSpec) -> list[CanvasSpec]:
    """What a chain has in order, and chains in it."""
    return [each for part in spec.chain for each in (_steps(part) if isinstance(part, ChainSpec) else [part])]


def _members(spec: CanvasSpec) -> int:
    """How many a group has, as chunks are one; 0 of what is no group."""
    match spec:
        case GroupSpec():
            return len(spec.group)
        case ChunksSpec():
            return -(-len(spec.chunks.it) // spec.chunks.n)
    return 0


def _of_task(spec: TaskSpec) -> Iterator[CanvasWarning]:
    if spec.ignore_result:
        yield warned(WarningCode.IGNORED_RESULT, task=spec.task)
    ahead = (spec.eta - dry_app.now()).total_seconds() if spec.eta else 0
    if max(spec.countdown or 0, ahead) > VISIBILITY_SECONDS:
        yield warned(WarningCode.COUNTDOWN, seconds=VISIBILITY_SECONDS)
    if spec.queue not in (None, QUEUE):
        yield warned(WarningCode.QUEUE, queue=spec.queue)
    if spec.time_limit is not None:
        yield warned(WarningCode.TIME_LIMIT)


def _built(plan: Plan) -> Iterator[CanvasWarning]:
    """The traps in what Celery builds."""
    for tree in inside(plan.tree):
        if "chord" in tree:
            yield from _of_chord(tree["chord"]["header"], tree["chord"]["body"], plan)
        for before, after in pairwise(tree.get("chain", ())):
            if "task" in before and plan.nodes[before["task"]].task in MAPS:
                yield from _of_a_list(after, plan)
    for id_ in {each for calls in plan.calls.values() for each in calls} - errbacks(plan.tree):
        yield warned(WarningCode.REPEATED, task=short_name(plan.nodes[id_].task))
    if plan.bytes > LARGE_BYTES:
        yield warned(WarningCode.MESSAGE_SIZE, bytes=plan.bytes)


def _of_chord(header: list[Tree], body: Tree, plan: Plan) -> Iterator[CanvasWarning]:
    if len(header) == 1:
        yield warned(WarningCode.HEADER_OF_ONE)
    if any(ends_in_group(member) for member in header):
        yield warned(WarningCode.GROUP_ENDS_MEMBER)
    yield warned(WarningCode.HEADER_FAILURE)
    if any(plan.nodes[id_].ignored for member in header for id_ in last_ids(member)):
        yield warned(WarningCode.IGNORED_HEADER)
    if any("link_error" in each for each in inside(body)):
        yield warned(WarningCode.BODY_ERRBACK)
    yield from _of_a_list(body, plan)


def _of_a_list(tree: Tree, plan: Plan) -> Iterator[CanvasWarning]:
    """What is handed a list."""
    for id_ in first_ids(tree):
        node = plan.nodes[id_]
        if node.given and node.task in ONE_VALUE:
            yield warned(WarningCode.LIST_TO_ONE, task=TaskName(node.task).short)
