"""What surprises people about a canvas, said before it runs."""

from collections.abc import Iterator
from dataclasses import dataclass

from background.canvas.builder import Canvas, Chain, Chord, Group, Task
from background.celery import VISIBILITY_SECONDS
from background.task_names import TaskName

DOCS = "https://docs.celeryq.dev/en/stable/userguide/canvas.html"
ISSUES = "https://github.com/celery/celery/issues"
ONE_VALUE = frozenset({TaskName.ADD, TaskName.MULTIPLY, TaskName.SLEEP, TaskName.FLAKY})
"""Tasks whose first parameter is a single number: a list makes them fail, or, worse, repeats it."""


BECOMES_CHORD = "A group followed by a task becomes a chord, with that task as its body."


@dataclass(frozen=True)
class Trap:
    """One known trap: a short name, what will happen, and where it is described."""

    code: str
    message: str
    url: str


def warnings_about(canvas: Canvas) -> list[Trap]:
    """Every trap in the canvas as it was written, each once."""
    return list(dict.fromkeys(_traps(canvas)))


def _traps(canvas: Canvas) -> Iterator[Trap]:
    match canvas:
        case Task():
            yield from _traps_of_task(canvas)
        case Chain():
            yield from _traps_of_chain(canvas)
        case Group():
            for member in canvas.members:
                if isinstance(member, Group):
                    yield Trap(
                        "nested-group", "A group inside a group is unrolled: its results stand in one flat list.", DOCS
                    )
                yield from _traps(member)
        case Chord():
            if len(canvas.header) == 1:
                yield Trap(
                    "header-of-one",
                    "A chord with one header task is run as a chain: the body is given the value, not a list of it.",
                    f"{ISSUES}/3885",
                )
            yield from _joins(canvas.header, canvas.body)
            for member in canvas.header:
                if isinstance(_last(member), Group):
                    yield Trap(
                        "group-ends-member",
                        "A header member that ends in a group adds each of its results to the body's one list.",
                        DOCS,
                    )
                yield from _traps(member)
            yield from _traps(canvas.body)


def _traps_of_task(task: Task) -> Iterator[Trap]:
    if task.countdown is not None and task.countdown > VISIBILITY_SECONDS:
        yield Trap(
            "countdown",
            f"A countdown of more than {VISIBILITY_SECONDS} s, the visibility timeout, is delivered more than once.",
            f"{ISSUES}/5935",
        )


def _traps_of_chain(chain: Chain) -> Iterator[Trap]:
    for number, part in enumerate(chain.parts):
        after = chain.parts[number + 1] if number + 1 < len(chain.parts) else None
        if isinstance(part, Task) and part.immutable and number > 0:
            yield Trap("immutable", f"{part.name.short} is immutable: the result before it is dropped.", DOCS)
        if isinstance(part, Group) and after is not None:
            if len(part.members) == 1:
                yield Trap(
                    "group-of-one",
                    "A group of one inside a chain is just its task: what follows is given the value, not a list.",
                    f"{ISSUES}/3885",
                )
            else:
                yield Trap(
                    "group-becomes-chord",
                    "A group followed by a task becomes a chord, with that task as its body.",
                    DOCS,
                )
                yield from _joins(part.members, after)
        yield from _traps(part)


def _joins(header: tuple[Canvas, ...], body: Canvas) -> Iterator[Trap]:
    if len(header) > 1:
        yield Trap(
            "header-failure",
            "When one of the header's tasks fails, its siblings still run, and what follows the header never does.",
            f"{ISSUES}/8211",
        )
        if isinstance(body, Task) and body.name in ONE_VALUE and not body.immutable:
            yield Trap(
                "list-to-one",
                f"{body.name.short} is given a list of {len(header)} results, and expects one value.",
                DOCS,
            )


def _last(canvas: Canvas) -> Canvas:
    return _last(canvas.parts[-1]) if isinstance(canvas, Chain) else canvas
