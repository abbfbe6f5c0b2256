"""Random canvases as JSON: nested, with parts that fail, are tried again, are ignored, are called back or wait.

Each task that brings a value of its own brings another one, so that a run of it can be told from the others.

Two things are left out, in which bare Celery is a matter of chance or never comes to rest:
- A member of a header that ends in a group. Where the group is published its size is written over that of the chord,
  whose body then starts early: with `None` for what is missing, or while its worker process waits for ever.
- A callback for the success of a chain that ends in a chord or group: `TypeError` where that is published.
"""

from __future__ import annotations

import itertools
import os
import random
from collections.abc import Iterator
from enum import Enum, auto
from typing import Any

NUMBER = int(os.environ.get("CANVASES", "200"))
"""How many are run by a test; more take as much longer."""
Json = dict[str, Any]


class Kind(Enum):
    """What a part gives, or is given: enough to choose a task that can take it."""

    NOTHING = auto()
    NUMBER = auto()
    NUMBERS = auto()
    ANY = auto()


EXOTIC: list[Any] = [1e22, -0.0, 1e300, 10**40, True, None, "안녕 \U0001f600", {"bb": 1, "a": [2, {"c": {}}]}, [[1.5]]]
"""Values that are easily changed on the way."""


KINDS = ["task", "chain", "chain", "group", "chord"]


class Generator:
    """Canvases from one seed."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self._numbers = itertools.count(1)
        self._within = 0  # groups and headers around the part that is being made, which may all become headers

    def canvases(self, number: int) -> list[Json]:
        """So many canvases, at most four layers deep."""
        return [self._canvas() for _ in range(number)]

    def _canvas(self) -> Json:
        self._numbers = itertools.count(1)
        depth = self._rng.choice([1, 2, 3, 3, 4, 4, 4])
        if depth > 1 and self._chance(0.15):
            # Nothing follows this group, so it is no header, and its members may end as they like.
            return {"group": [self._part(depth - 1, Kind.NOTHING)[0] for _ in range(self._rng.randint(1, 3))]}
        return self._part(depth, Kind.NOTHING)[0]

    def _chance(self, share: float) -> bool:
        return self._rng.random() < share

    def _part(self, depth: int, given: Kind, *, ends: bool = False) -> tuple[Json, Kind]:
        """A part of at most `depth` layers, and what it gives; `ends`: the result of what is around it is its own."""
        kind = self._rng.choice(KINDS) if depth > 1 else "task"
        if kind == "task" or (kind == "group" and ends and self._within):
            return self._task(given, lone=ends and bool(self._within))
        return {"chain": self._chain, "group": self._group, "chord": self._chord}[kind](depth - 1, given)

    # ------------------------------------------------------------------------------------------ of several

    def _chain(self, depth: int, given: Kind) -> tuple[Json, Kind]:
        parts = []
        number = self._rng.randint(1, 3)
        for place in range(number):
            part, given = self._part(depth, given, ends=place == number - 1)
            parts.append(part)
        found: Json = {"chain": parts}
        if self._chance(0.06):
            found["link_error"] = self._called_with_an_id()
        if all("task" in part for part in parts) and self._chance(0.1):
            found["link"] = self._callback(given)
        return found, given

    def _members(self, depth: int, given: Kind) -> tuple[list[Json], Kind]:
        self._within += 1
        found = [self._part(depth, given) for _ in range(self._rng.randint(1, 3))]
        self._within -= 1
        flat = all(kind is Kind.NUMBER for _, kind in found)
        return [part for part, _ in found], Kind.NUMBERS if flat else Kind.ANY

    def _group(self, depth: int, given: Kind) -> tuple[Json, Kind]:
        members, gives = self._members(depth, given)
        found: Json = {"group": members}
        if all("task" in member for member in members):
            if self._chance(0.15):
                found["link"] = self._callback(Kind.NOTHING)
            if self._chance(0.2):
                found["link_error"] = self._called_with_an_id()
        return found, gives

    def _chord(self, depth: int, given: Kind) -> tuple[Json, Kind]:
        header, gathered = self._members(depth, given)
        body, gives = self._part(depth, gathered, ends=True)
        found: Json = {"chord": {"header": header, "body": body}}
        if "task" in body and self._chance(0.1):
            found["link_error"] = self._called_with_an_id()
        if "task" in body and self._chance(0.08):
            found["link"] = self._callback(gives)
        return found, gives

    # ------------------------------------------------------------------------------------------ tasks

    def _task(self, given: Kind, *, plain: bool = False, lone: bool = False) -> tuple[Json, Kind]:
        """A task that takes what is given, or, immutable, has all of its own; `plain`: without callbacks.

        Chunks, too, unless it has to be `lone`: they are a group.
        """
        if given is Kind.NOTHING or self._chance(0.15):
            found, gives = self._own(lone=lone)
            if given is not Kind.NOTHING and "task" in found:
                found["immutable"] = True
        else:
            found, gives = self._taking(given)
        if "task" in found:
            self._add_options(found, gives, plain=plain)
        return found, gives

    def _own(self, *, lone: bool) -> tuple[Json, Kind]:
        """A task, or a map or chunks, with all its arguments."""
        makers = {
            self._echo: 30, self._exotic: 6, self._add: 14, self._flaky: 8, self._fail: 14, self._sleep: 4,
            self._mapped: 4, self._chunks: 0 if lone else 2,
        }  # fmt: skip
        return self._rng.choices([*makers], [*makers.values()])[0](next(self._numbers))

    def _echo(self, number: int) -> tuple[Json, Kind]:
        return {"task": "echo", **self._spelled("value", number)}, Kind.NUMBER

    def _exotic(self, number: int) -> tuple[Json, Kind]:
        return {"task": "echo", "args": [{"n": number, "of": self._rng.choice(EXOTIC)}]}, Kind.ANY

    def _add(self, number: int) -> tuple[Json, Kind]:
        return {"task": "add", "args": [number], "kwargs": {"y": 1}}, Kind.NUMBER

    def _flaky(self, _: int) -> tuple[Json, Kind]:
        return {"task": "flaky", "args": [self._rng.randrange(3)]}, Kind.NUMBER

    def _fail(self, number: int) -> tuple[Json, Kind]:
        return {"task": "fail", "args": [f"no {number}"], "retries": self._rng.choice([0, 0, 1])}, Kind.ANY

    def _sleep(self, number: int) -> tuple[Json, Kind]:
        return {"task": "sleep", "args": [number / 1000]}, Kind.NUMBER

    def _mapped(self, number: int) -> tuple[Json, Kind]:
        if self._chance(0.5):
            return {"map": {"task": "xsum", "it": [[number, 1], [number]]}}, Kind.NUMBERS
        return {"starmap": {"task": "add", "it": [[number, 1], [number, 2]]}}, Kind.NUMBERS

    def _chunks(self, number: int) -> tuple[Json, Kind]:
        return {"chunks": {"task": "add", "it": [[number, n] for n in range(3)], "n": 2}}, Kind.ANY

    def _taking(self, given: Kind) -> tuple[Json, Kind]:
        """A task whose first argument is what comes before it."""
        number = next(self._numbers)
        if given is Kind.NUMBER and self._chance(0.6):
            return {"task": self._rng.choice(["add", "multiply"]), **self._spelled("y", number)}, Kind.NUMBER
        if given is Kind.NUMBERS and self._chance(0.6):
            return {"task": "xsum"}, Kind.NUMBER
        if given is Kind.ANY and self._chance(0.1):
            return {"task": "xsum"}, Kind.NUMBER  # which may well fail
        return ({"task": "echo"}, given) if self._chance(0.6) else ({"task": "finalize"}, Kind.ANY)

    def _spelled(self, name: str, value: Any) -> Json:
        """An argument by its place, or at times by its name."""
        return {"kwargs": {name: value}} if self._chance(0.25) else {"args": [value]}

    def _add_options(self, found: Json, gives: Kind, *, plain: bool) -> None:
        if self._chance(0.08):
            found["ignore_result"] = True
        if self._chance(0.05):
            found["countdown"] = self._rng.choice([0.05, 0.1, 0.2])
        if plain:
            return
        if self._chance(0.08):
            found["link"] = self._callback(gives)
        if self._chance(0.25 if found["task"] == "fail" else 0.08):
            found["link_error"] = self._called_with_an_id()

    def _callback(self, given: Kind) -> Any:
        """One or two tasks that are called with a result, or with nothing."""
        found = [self._task(given, plain=True)[0] for _ in range(self._rng.choice([1, 1, 2]))]
        found = [each if "task" in each else self._echo(next(self._numbers))[0] | {"immutable": True} for each in found]
        return found if len(found) > 1 else found[0]

    def _called_with_an_id(self) -> Any:
        """One or two error callbacks: given the id of what failed, or, immutable, with an argument of their own."""
        given = [{"task": "echo"}, {"task": "finalize"}, {"task": "fail"}]
        own = {"task": "echo", "args": [next(self._numbers)], "immutable": True}
        found = self._rng.sample([*given, own], k=self._rng.choice([1, 1, 1, 2]), counts=[5, 3, 1, 4])
        found = found[:1] if found[1:] == found[:1] else found
        return found if len(found) > 1 else found[0]


def tasks_in(canvas: Any) -> Iterator[Json]:
    """Every task in it, callbacks too."""
    if isinstance(canvas, dict):
        if isinstance(canvas.get("task"), str):
            yield canvas
        for inner in canvas.values():
            yield from tasks_in(inner)
    elif isinstance(canvas, list):
        for inner in canvas:
            yield from tasks_in(inner)
