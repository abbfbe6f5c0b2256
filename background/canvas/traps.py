"""What surprises people about a canvas, said before it runs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from background.canvas.builder import Canvas, Chain, Chord, Group, Task
from background.canvas.rewriting import unrolled
from background.celery import VISIBILITY_SECONDS
from background.task_names import TaskName

GUIDE = "https://docs.celeryq.dev/en/stable/userguide"
DOCS = f"{GUIDE}/canvas.html"
ISSUES = "https://github.com/celery/celery/issues"
ONE_VALUE = frozenset({
    TaskName.ADD, TaskName.MULTIPLY, TaskName.SLEEP, TaskName.FAIL, TaskName.FLAKY, TaskName.EXTRACT, TaskName.ANALYZE,
    TaskName.REPORT,
})  # fmt: skip
"""Tasks whose first parameter is no list: one makes them fail, or, worse, is repeated by them."""


@dataclass(frozen=True)
class Trap:
    """One known trap: a short name, what will happen, and where it is described."""

    code: str
    message: str
    url: str


HEADER_OF_ONE = Trap(
    "header-of-one",
    "A chord with one header task is run as a chain: the body is given the value, not a list of it.",
    f"{ISSUES}/3885",
)
GROUP_OF_ONE = Trap(
    "group-of-one",
    "A group of one inside a chain is just its task: what follows is given the value, not a list.",
    f"{ISSUES}/3885",
)
GROUP_BECOMES_CHORD = Trap(
    "group-becomes-chord", "A group followed by a task becomes a chord, with that task as its body.", DOCS
)
NESTED_GROUP = Trap("nested-group", "A group inside a group is unrolled: its results stand in one flat list.", DOCS)
GROUP_ENDS_MEMBER = Trap(
    "group-ends-member", "A header member that ends in a group adds each of its results to the body's one list.", DOCS
)
HEADER_FAILURE = Trap(
    "header-failure",
    "When one of the header's tasks fails, its siblings still run, and what follows the header never does.",
    f"{ISSUES}/8211",
)
IGNORED_HEADER = Trap(
    "ignored-header",
    "A chord needs the results of its header: ignored ones reach the body with the Redis result backend alone; with "
    "another the body never runs.",
    f"{DOCS}#chord-important-notes",
)
GROUP_LINK = Trap(
    "group-link",
    "A callback on a group is one on its first task: it is called before the others have ended, even if they fail, and "
    "is given no result.",
    f"{ISSUES}/4281",
)
GROUP_LINK_ERROR = Trap(
    "group-link-error",
    "Error callbacks of a group belong to its tasks: there is one call for each task that fails, none for the group.",
    f"{ISSUES}/4281",
)


def warnings_about(canvas: Canvas) -> list[Trap]:
    """Every trap in the canvas as it was written, each once."""
    return list(dict.fromkeys(_traps(canvas, given=False)))


def _traps(canvas: Canvas, *, given: bool) -> Iterator[Trap]:
    """The traps in it; `given`: something comes before it, whose result it is given."""
    match canvas:
        case Task():
            yield from _traps_of_task(canvas, given=given)
        case Chain():
            for number, part in enumerate(canvas.parts):
                if number + 1 < len(canvas.parts) and isinstance(group := _last(part), Group):
                    members = unrolled(group.members)
                    yield GROUP_BECOMES_CHORD if len(members) > 1 else GROUP_OF_ONE
                    yield from _traps_of_join(members, canvas.parts[number + 1])
                yield from _traps(part, given=given or number > 0)
        case Group():
            yield from _traps_of_group(canvas.members, given=given)
        case Chord():
            header = unrolled(canvas.header)
            if len(header) == 1:
                yield HEADER_OF_ONE
            if any(isinstance(_last(member), Group) for member in canvas.header):
                yield GROUP_ENDS_MEMBER
            yield from _traps_of_join(header, canvas.body)
            for member in canvas.header:
                yield from _traps(member, given=given)
            yield from _traps(canvas.body, given=True)


def _traps_of_task(task: Task, *, given: bool) -> Iterator[Trap]:
    if task.immutable and given:
        yield Trap("immutable", f"{task.name.short} is immutable: the result before it is dropped.", DOCS)
    if task.ignore_result:
        yield Trap(
            "ignored-result",
            f"Celery stores no result of {task.name.short}: there it stays PENDING for ever. The record here has it.",
            f"{GUIDE}/tasks.html#ignore-results-you-don-t-want",
        )
    if task.countdown is not None and task.countdown > VISIBILITY_SECONDS:
        yield Trap(
            "countdown",
            f"A countdown of more than {VISIBILITY_SECONDS} s, the visibility timeout, is delivered more than once.",
            f"{ISSUES}/5935",
        )
    for called in (task.on_success, task.on_error):
        if called is not None:
            yield from _traps(called, given=False)


def _traps_of_group(members: Sequence[Canvas], *, given: bool) -> Iterator[Trap]:
    if any(isinstance(member, Group) for member in members):
        yield NESTED_GROUP
    if any(isinstance(member, Task) and member.on_success for member in members):
        yield GROUP_LINK
    if any(isinstance(member, Task) and member.on_error for member in members):
        yield GROUP_LINK_ERROR
    for member in members:
        yield from _traps(member, given=given)


def _traps_of_join(header: Sequence[Canvas], body: Canvas) -> Iterator[Trap]:
    """What may surprise where several results come together; one alone is handed on as it is."""
    if len(header) < 2:
        return
    yield HEADER_FAILURE
    if any(task.ignore_result for member in header for task in _ends(member)):
        yield IGNORED_HEADER
    for task in _starts(body):
        if task.name in ONE_VALUE and not task.immutable:
            yield Trap("list-to-one", f"{task.name.short} is given a list of results, and expects one value.", DOCS)


def _starts(canvas: Canvas) -> Iterator[Task]:
    """The tasks that are given what comes before it."""
    match canvas:
        case Task():
            yield canvas
        case Chain():
            yield from _starts(canvas.parts[0])
        case Group() | Chord():
            for part in canvas.members if isinstance(canvas, Group) else canvas.header:
                yield from _starts(part)


def _ends(canvas: Canvas) -> Iterator[Task]:
    """The tasks whose results are its own."""
    match _last(canvas):
        case Group() as group:
            for member in group.members:
                yield from _ends(member)
        case Task() as task:
            yield task


def _last(canvas: Canvas) -> Canvas:
    """What its result comes from."""
    match canvas:
        case Chain():
            return _last(canvas.parts[-1])
        case Chord():
            return _last(canvas.body)
        case _:
            return canvas
