"""What becomes of a canvas, evaluated in plain Python: the value, and each run of each task.

It knows the tasks of the catalogue and the rules of Celery as bare Celery 5.6 and 5.7 were seen to follow them.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

from tests.acceptance.bare.joined import FROM_5_7, Chain, Chord, Group, Json, Part, Task, flat, joined, prepared
from tests.acceptance.bare.outcome import UNKNOWN, Outcome, label, outcome, run_of


class Failed(Exception):
    """Part of the canvas has failed. `told`: Celery tells the chord in whose header it stands."""

    def __init__(self, *, told: bool) -> None:
        self.told = told


class Unevaluated(Exception):
    """A chain of nothing but a group does not hand on what it is given: that is left to Celery itself."""


class Mixed(Unevaluated):
    """What follows a group unseen by Celery is published by each of its members, all under the same ids.

    So it is where a chain goes on after a chord that ends in a group (`chord | chain`, `chord | chord`): which value
    goes on, and when the counts of a chord are full, is a matter of chance.
    """


class Evaluation:
    """A canvas and what becomes of it. Raises `Unevaluated`."""

    def __init__(self, canvas: Json) -> None:
        self._part = joined(canvas)
        self._tasks: list[Task] = []
        self._planned: list[Task] = []
        self._publish(self._part)
        try:
            self._text: str | None = json.dumps(self._outermost(self._part))
        except Failed:
            self._text = None

    def outcome(self) -> Outcome:
        """The value, and each run of each task."""
        return outcome(self._text, (run_of(_label(task), *run) for task in self._tasks for run in task.runs))

    def states(self) -> Counter[tuple[str, str]]:
        """How many tasks of a label end in which state; callbacks apart."""
        return Counter((_label(task), task.runs[0][0] if task.runs else "SKIPPED") for task in self._planned)

    def _publish(self, part: Part) -> None:
        """Hand the callbacks of chains to their steps, and note every task."""
        match part:
            case Task():
                self._planned.append(part)
                self._tasks += [part, *part.links, *part.errors]
            case Chain():
                part.parts = prepared(part)
        for inner in _inner(part):
            self._publish(inner)

    def _outermost(self, part: Part) -> Any:
        """The value; a group that nothing is around or before is unrolled forwards, and of one group it is that one."""
        lone = part.parts[0] if isinstance(part, Chain) and len(part.parts) == 1 else part
        if not isinstance(lone, Group):
            return self._value(lone, (), [])
        members = _forwards(part) if isinstance(part, Group) else list(flat(lone.members))
        values = self._all(members, ())
        return values[0] if len(members) == 1 and _gives_group(members[0]) else values

    def _value(self, part: Part, given: tuple[Any, ...], rest: list[Part]) -> Any:
        """The value of a part and of the `rest` of its chain. Raises `Failed`."""
        match part:
            case Task():
                value = self._run(part, given, rest)
                return self._value(rest[0], (value,), rest[1:]) if rest else value
            case Chain(parts=[Group()]) if given:
                raise Unevaluated
            case Chain():
                return self._value(part.parts[0], given, part.parts[1:] + rest)
            case Chord():
                return self._chord(part, given, rest)
            case Group() if rest:
                raise Mixed
            case Group():
                return self._all(list(flat(part.members)), given)

    def _all(self, members: list[Part], given: tuple[Any, ...]) -> list[Any]:
        """All of them run, whatever becomes of the others."""
        values, told = [], []
        for member in members:
            try:
                values.append(self._value(member, given, []))
            except Failed as failed:
                told.append(failed.told)
        if told:
            raise Failed(told=all(told))
        return values

    def _chord(self, chord: Chord, given: tuple[Any, ...], rest: list[Part]) -> Any:
        try:
            values = self._all(list(flat(chord.header)), given)
        except Failed as failed:
            if failed.told:
                self._call_those_of(chord.body)
            # A chord around this one is not told of it (https://github.com/celery/celery/issues/9674).
            raise Failed(told=failed.told and FROM_5_7 and bool(rest) and _is_told(rest[-1])) from failed
        return self._value(chord.body, (values,), rest)

    def _call_those_of(self, body: Part) -> None:
        """The error callbacks of a body that never runs, once Celery knows of every member: those of its own alone."""
        match body:
            case Task():
                self._call(body.errors, _label(body))
            case Chain():
                self._tasks += body.errors
                self._call(body.errors, _last_label(body) if FROM_5_7 else UNKNOWN)
            case Group() if FROM_5_7:
                for member in flat(body.members):
                    self._call_those_of(member.body if isinstance(member, Chord) else member)

    def _run(self, task: Task, given: tuple[Any, ...], rest: list[Part]) -> Any:
        args = list(task.args) if task.immutable else [*given, *task.args]
        tries = task.retries + 1
        try:
            value, tries = called(task.name, args, task.kwargs, tries)
        except (TypeError, ValueError, RuntimeError) as error:
            task.runs.append(("FAILURE", tries, None, f"{type(error).__name__}: {error}"))
            self._call(task.errors, _label(task))
            raise Failed(told=not rest or _is_told(rest[-1])) from error
        task.runs.append(("SUCCESS", tries, value, None))
        for callback in task.links:
            self._try(callback, value)
        return value

    def _call(self, errors: list[Task], failed: str) -> None:
        for callback in errors:
            self._try(callback, failed)

    def _try(self, callback: Task, given: Any) -> None:
        """A callback, for which nothing waits."""
        try:
            self._run(callback, (given,), [])
        except Failed:
            return


def _last_label(part: Part) -> str:
    """The label of the task that a part's result comes from."""
    match part:
        case Task():
            return _label(part)
        case Chain():
            return _last_label(part.parts[-1])
        case Chord():
            return _last_label(part.body)
    return UNKNOWN


def _is_told(last: Part) -> bool:
    """Whether a chord is told, through the last step of a member, of what failed before that step."""
    return _is_told(last.body) if FROM_5_7 and isinstance(last, Chord) else isinstance(last, Task)


def _inner(part: Part) -> list[Part]:
    match part:
        case Chain():
            return part.parts
        case Group():
            return part.members
        case Chord():
            return [*part.header, part.body]
    return []


def _label(task: Task) -> str:
    return label(task.name, task.args, task.kwargs)


def _forwards(group: Group) -> list[Part]:
    return [each for part in group.members for each in (_forwards(part) if isinstance(part, Group) else [part])]


def _gives_group(part: Part) -> bool:
    """Whether its result is a group's."""
    match part:
        case Chain():
            return _gives_group(part.parts[-1])
        case Chord():
            return _gives_group(part.body)
    return isinstance(part, Group)


def called(name: str, args: list[Any], kwargs: Json, tries: int) -> tuple[Any, int]:
    """What a task of the catalogue gives, and after how many tries. Raises what the task raises."""
    match name, args:
        case "celery.map", [inner, it]:
            return [called(inner, [each], {}, 1)[0] for each in it], 1
        case "celery.starmap", [inner, it]:
            return [called(inner, each, {}, 1)[0] for each in it], 1
        case "flaky", [times]:
            return times + 1, times + 1
        case "fail", [message]:
            raise RuntimeError(message)
        case "xsum", [list(values)]:
            return sum(map(_number, values)), 1
        case "xsum", _:
            raise TypeError
    functions: dict[str, Callable[..., Any]] = {
        "echo": _echo, "sleep": _echo, "finalize": _finalize, "add": _add, "multiply": _multiply,
    }  # fmt: skip
    return functions[name](*args, **kwargs), 1


def _number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(value)
    return value


def _echo(value: Any) -> Any:
    return value


def _finalize(value: Any) -> str:
    return f"Final result: {value}"


def _add(x: Any, y: Any) -> Any:
    return _number(x) + _number(y)


def _multiply(x: Any, y: Any) -> Any:
    return _number(x) * _number(y)
