"""What Celery joins the parts of a canvas to, in plain Python: chains spliced, groups before something made chords.

Written from what bare Celery 5.6 was seen to do; nothing of Celery or of `background` is used.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from typing import Any, TypeGuard

Json = dict[str, Any]
FROM_5_7 = tuple(map(int, version("celery").split(".")[:2])) >= (5, 7)
"""Whether the rules that Celery 5.7 changed are the new ones."""


@dataclass(eq=False)
class Task:
    """One task. `runs` is filled by the evaluation."""

    name: str
    args: list[Any]
    kwargs: Json
    immutable: bool = False
    retries: int = 0
    links: list[Task] = field(default_factory=list)
    errors: list[Task] = field(default_factory=list)
    runs: list[tuple[str, int, Any, str | None]] = field(default_factory=list)


@dataclass(eq=False)
class Chain:
    """One after the other; its callbacks are handed to its parts when it is published, or taken up by another chain."""

    parts: list[Part]
    links: list[Task] = field(default_factory=list)
    errors: list[Task] = field(default_factory=list)


@dataclass(eq=False)
class Group:
    """Side by side."""

    members: list[Part]


@dataclass(eq=False)
class Chord:
    """A header side by side, then the body."""

    header: list[Part]
    body: Part


Part = Task | Chain | Group | Chord


def joined(canvas: Json) -> Part:
    """The canvas as Celery holds it before it is published."""
    found = _without_callbacks(canvas)
    for callback in as_list(canvas.get("link")):
        link(found, _task(callback))
    for callback in as_list(canvas.get("link_error")):
        link_error(found, _task(callback))
    return found


def as_list(callbacks: Any) -> list[Json]:
    """None, one or several callbacks as a list."""
    return callbacks if isinstance(callbacks, list) else [] if callbacks is None else [callbacks]


def _without_callbacks(canvas: Json) -> Part:
    match canvas:
        case {"chain": parts}:
            return _all_of(map(joined, parts)) if len(parts) > 1 else Chain([joined(parts[0])])
        case {"group": members}:
            return Group([joined(member) for member in members])
        case {"chord": {"header": header, "body": body}}:
            return Chord([joined(member) for member in header], joined(body))
        case {"chunks": {"task": name, "it": it, "n": n}}:
            return Group([_mapped("starmap", name, it[at : at + n]) for at in range(0, len(it), n)])
    return _task(canvas)


def _task(canvas: Json) -> Task:
    for kind in ("map", "starmap"):
        if kind in canvas:
            return _mapped(kind, canvas[kind]["task"], canvas[kind]["it"])
    return Task(
        canvas["task"],
        canvas.get("args", []),
        canvas.get("kwargs", {}),
        immutable=canvas.get("immutable", False),
        retries=canvas.get("retries", 0),
    )


def _mapped(kind: str, name: str, it: list[Any]) -> Task:
    return Task(f"celery.{kind}", [name, it], {}, immutable=True)


def link(part: Part, callback: Task) -> None:
    """A callback for success: a chord's goes to its body, a group's to its first member, which hands nothing on."""
    match part:
        case Chord():
            link(part.body, callback)
        case Group():
            link(part.members[0], replace(callback, immutable=True))
        case _:
            part.links.append(deepcopy(callback))


def link_error(part: Part, callback: Task, *, published: bool = False) -> None:
    """A callback for failure: a chord's goes to its body, a group's to each member.

    Until it is `published`, a chord's goes to the chords in its header as well.
    """
    match part:
        case Chord():
            for member in part.header:
                if isinstance(member, Chord) and not published:
                    link_error(member, callback)
            link_error(part.body, callback, published=published)
        case Group():
            for member in part.members:
                link_error(member, callback, published=published)
        case _:
            part.errors.append(deepcopy(callback))


def unrolled(part: Part) -> Part:
    """A group of one is that one."""
    return part.members[0] if isinstance(part, Group) and len(part.members) == 1 else part


def unchained(chain: Chain) -> list[Part]:
    """The parts of a chain with its callbacks: those for success on the last, those for failure on each."""
    parts = list(chain.parts)
    for callback in chain.links:
        link(parts[-1], callback)
    for callback in chain.errors:
        for part in parts:
            link_error(part, callback)
    return parts


def followed_by(first: Part, then: Part) -> Part:
    """`first | then`."""
    match first:
        case Chain():
            return _chain_followed_by(first, then)
        case Group():
            return Chord(first.members, then)
        case Chord() if isinstance(then, Task | Chord) or unrolled(then) is not then:
            first.body = followed_by(first.body, unrolled(then))
            return first
    return Chain([first, *(unchained(then) if isinstance(then, Chain) else [unrolled(then)])])


def _all_of(parts: Iterable[Part], *, after: Chain | None = None) -> Part:
    found: Part = Chain([]) if after is None else after
    for part in parts:
        found = followed_by(found, part)
    return found


def _chain_followed_by(chain: Chain, then: Part) -> Part:
    if isinstance(then, Group) and not isinstance(unrolled(then), Group):
        return followed_by(chain, unrolled(then))
    then = unrolled(then)
    if isinstance(then, Chain):
        return _all_of(unchained(then), after=chain)
    last = chain.parts[-1] if chain.parts else None
    match last, then:
        case None, Group():
            return then
        case Group(), Task() | Chord():
            chain.parts[-1] = Chord(last.members, then)
            _merge_two_chords(chain)
            return chain
        case Chord(), Task() | Group():
            last.body = followed_by(last.body, then)
            return chain if isinstance(then, Task) else Chain(unchained(chain))
    return Chain([*unchained(chain), then])


def _merge_two_chords(chain: Chain) -> None:
    match chain.parts:
        case [*_, Chord() as before, Chord() as last]:
            before.body = followed_by(before.body, last)
            chain.parts.pop()


def steps_of(chain: Chain) -> list[Part]:
    """The steps of a chain when it is published: chains within are spliced, without their callbacks."""
    waiting, steps = list(chain.parts), list[Part]()
    while waiting:
        part = unrolled(waiting.pop())
        if isinstance(part, Chain):
            waiting += part.parts
        elif isinstance(part, Group) and steps:
            steps.insert(0, Chord(part.members, steps.pop(0)))
        elif isinstance(part, Chord) and FROM_5_7 and _is_led_by_a_task(part.body):
            first, *others = unchained(part.body)
            waiting += [Chord(part.header, first), *others]
        else:
            steps.insert(0, part)
    return steps


def _is_led_by_a_task(body: Part) -> TypeGuard[Chain]:
    """Celery 5.7 takes such a body apart: what follows its first step follows the chord."""
    return isinstance(body, Chain) and not isinstance(body.parts[0], Group)


def prepared(chain: Chain) -> list[Part]:
    """The steps, with the callbacks of the chain itself."""
    steps = steps_of(chain)
    for callback in chain.errors:
        for step in steps:
            link_error(step, callback, published=True)
    for callback in chain.links:
        link(steps[-1], callback)
    return steps


def flat(header: list[Part]) -> Iterator[Part]:
    """The members of a header: a group among them is unrolled backwards."""
    waiting = list(header)
    while waiting:
        part = waiting.pop(0)
        if isinstance(part, Group):
            waiting = [*reversed(part.members), *waiting]
        else:
            yield part
