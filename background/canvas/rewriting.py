"""What Celery makes of a canvas before it runs it, as a function from tree to tree.

The rules are those of `celery/canvas.py` 5.6 (`_chain.__or__`, `_chain.prepare_steps`, `maybe_unroll_group`,
`group._prepared`, `chord.apply_async`). A test compares the outcome with what Celery itself builds and runs.
"""

from collections.abc import Sequence

from background.canvas.builder import Canvas, Chain, Chord, Group, Task


def rewritten(canvas: Canvas) -> Canvas:
    """The canvas as Celery would run it; ids stay with their tasks.

    - A chain inside a chain is spliced into it; a chain of one is that one.
    - A group of one inside a chain is its member.
    - A group followed by something becomes a chord, with that as its body.
    - A chord followed by something takes it into its body.
    - A group inside a group, or inside a header, is spliced into it.
    - A chord with a header of one is a chain: its body is given the value itself, not a list of it.
    """
    match canvas:
        case Task():
            return canvas
        case Chain():
            return _chained([rewritten(part) for part in canvas.parts])
        case Group():
            return Group(unrolled(canvas.members), id=canvas.id)
        case Chord():
            return _chord(unrolled(canvas.header), rewritten(canvas.body))


def unrolled(members: Sequence[Canvas]) -> tuple[Canvas, ...]:
    """The members of a group or header as Celery would run them: those of a group among them stand in its place."""
    found: list[Canvas] = []
    for member in map(rewritten, members):
        found += member.members if isinstance(member, Group) else [member]
    return tuple(found)


def _chord(header: tuple[Canvas, ...], body: Canvas) -> Canvas:
    return Chord(header, body) if len(header) > 1 else _chained([header[0], body])


def _chained(parts: Sequence[Canvas]) -> Canvas:
    steps: list[Canvas] = []
    for part in parts:
        lone = part.members[0] if isinstance(part, Group) and len(part.members) == 1 and len(parts) > 1 else part
        for step in lone.parts if isinstance(lone, Chain) else [lone]:
            match steps[-1] if steps else None:
                case Group() as group:
                    steps[-1] = _chord(group.members, step)
                case Chord() as chord if not isinstance(step, Chord):
                    steps[-1] = Chord(chord.header, _chained([chord.body, step]))
                case _:
                    steps.append(step)
    return steps[0] if len(steps) == 1 else Chain(tuple(steps))
