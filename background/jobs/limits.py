"""How many jobs may run at once, or begin within a time: whom limits let in is decided here, without SQL.

A job that is subject to a limit is *held* until it is admitted: no claim looks at it, so it costs no worker. Held jobs
of the same queue, pipeline and values of the pipeline's keys stand in a *lane*. Lanes have their turns one after the
other, and the best of a lane goes first.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from background.base import jsontext
from background.jobs.waiting import WaitingCode

QUEUE, PIPELINE = "queue", "pipeline"
"""What may be paused, and limited."""
MOST = 1_000_000
"""The largest number in a limit."""
MOST_SECONDS = 366 * 86_400.0
KEY_CHARACTERS = 80
"""Of a longer value of a key its beginning is kept, and a digest of the whole."""
SHOWN = 5
"""So many jobs that hold a limit are named."""
READY = 500
"""So many jobs of a queue are let in and wait for workers at most: each is one more to count for whoever lets in."""


@dataclass(frozen=True)
class Limit:
    """So many jobs of a pipeline run at once; with a `key`, of those whose parameter of that name is the same."""

    concurrency: int
    key: str | None = None

    @property
    def most(self) -> int:
        """The number in it."""
        return self.concurrency

    @property
    def seconds(self) -> float | None:
        """The time within which they count, here none: they count while they run."""
        return None

    def problem(self) -> str | None:
        """What is wrong with it."""
        return None if _is_whole(self.concurrency) else _wrong("Limit takes a concurrency", self.concurrency)


@dataclass(frozen=True)
class Rate:
    """So many jobs of a pipeline begin within any so many seconds; `key` as in `Limit`."""

    count: int
    seconds: float
    key: str | None = None

    @property
    def most(self) -> int:
        """The number in it."""
        return self.count

    def problem(self) -> str | None:
        """What is wrong with it."""
        if not _is_whole(self.count):
            return _wrong("Rate takes a count", self.count)
        seconds: Any = self.seconds
        is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
        if not (is_number and 0 < seconds <= MOST_SECONDS):
            return f"Rate takes more than 0 and at most {MOST_SECONDS:,.0f} seconds; it was given {seconds!r}"
        return None


def _is_whole(number: Any) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and 1 <= number <= MOST


def _wrong(what: str, given: Any) -> str:
    return f"{what} from 1 to {MOST:,}; it was given {given!r}"


def lane_key(keys: Sequence[str], params: Mapping[str, Any]) -> str:
    """The values of these parameters as they are stored with a job; nothing where there are no keys."""
    return jsontext.dumps([_value(params.get(key)) for key in keys]) if keys else ""


def _value(value: Any) -> Any:
    # What is the same once it is stored is the same here: 0.0 and -0.0, an object whatever the order of its members.
    text = jsontext.as_kept(json.dumps(value, ensure_ascii=False, sort_keys=True))
    if len(text) <= KEY_CHARACTERS:
        return json.loads(text)
    return f"{text[:KEY_CHARACTERS]}… {hashlib.sha256(text.encode()).hexdigest()}"


class Lane(NamedTuple):
    """Jobs that the same limits hold: of one queue and pipeline, and with the same values of its keys."""

    queue: str
    pipeline: str
    key: str


class Control(NamedTuple):
    """What people have set for a queue or a pipeline."""

    paused: bool = False
    concurrency: int | None = None
    rate_count: int | None = None
    rate_seconds: float | None = None

    @property
    def limits(self) -> list[Limit | Rate]:
        """The limits in it."""
        found: list[Limit | Rate] = [] if self.concurrency is None else [Limit(self.concurrency)]
        if self.rate_count is not None and self.rate_seconds is not None:
            found.append(Rate(self.rate_count, self.rate_seconds))
        return found


class Declared(NamedTuple):
    """The limits that a pipeline declares, and the keys in them, in the order of a lane's."""

    limits: Sequence[Limit | Rate]
    keys: Sequence[str]


def is_apart(declared: Mapping[str, Declared], pipeline: str) -> bool:
    """Whether all limits of concurrency that a pipeline declares are of one key, the only one, or there are none."""
    found = declared.get(pipeline, Declared((), ()))
    keys = {limit.key for limit in found.limits if limit.seconds is None}
    return not keys or (None not in keys and len(found.keys) == 1)


class Gate(NamedTuple):
    """A limit as it stands before a lane: of what, and for which value of its key."""

    kind: str
    name: str
    limit: Limit | Rate
    value: str | None = None

    @property
    def of(self) -> str:
        """Whose limit it is, in words."""
        suffix = "" if self.value is None else f" with {self.limit.key} {self.value}"
        return f"{self.kind} {self.name}{suffix}"

    @property
    def facts(self) -> dict[str, Any]:
        """The same for programs: `queue` or `pipeline`, and of a limit with a key `key` and `value`."""
        keyed = {} if self.value is None else {"key": self.limit.key, "value": json.loads(self.value)}
        return {self.kind: self.name, **keyed, "of": self.of, "limit": self.limit.most}


START = Lane("", "", "")
"""A lane before all others."""


@dataclass
class Standing:
    """How limits stand: what is set and declared, and what uses them.

    `holders` are some of the jobs that do, and `last` is the lane that had the last turn. `ready` is how many jobs of
    each queue were let in, and not claimed yet.
    """

    controls: Mapping[tuple[str, str], Control]
    declared: Mapping[str, Declared]
    used: Counter[Gate] = field(default_factory=Counter)
    holders: dict[Gate, list[int]] = field(default_factory=dict)
    ready: Counter[str] = field(default_factory=Counter)
    last: Lane = START

    def paused(self, kind: str, name: str) -> bool:
        """Whether this queue or pipeline is paused."""
        return self.controls.get((kind, name), Control()).paused

    def gates(self, lane: Lane) -> list[Gate]:
        """The limits before a lane."""
        found = [Gate(QUEUE, lane.queue, each) for each in self.controls.get((QUEUE, lane.queue), Control()).limits]
        declared = self.declared.get(lane.pipeline, Declared((), ()))
        values = json.loads(lane.key) if lane.key else []
        by_key = dict(zip(declared.keys, values, strict=False))
        for limit in declared.limits:
            value = None if limit.key is None else jsontext.dumps(by_key.get(limit.key))
            found.append(Gate(PIPELINE, lane.pipeline, limit, value))
        return found

    def common(self, queue: str, pipeline: str) -> list[Gate]:
        """Those of them that are before every lane of a queue and pipeline."""
        declared = self.declared.get(pipeline, Declared((), ())).limits
        found = [Gate(QUEUE, queue, each) for each in self.controls.get((QUEUE, queue), Control()).limits]
        return found + [Gate(PIPELINE, pipeline, limit) for limit in declared if limit.key is None]

    def is_apart(self, lane: Lane) -> bool:
        """Whether the end of a job makes room for its own lane alone, or for none: only time does for a rate."""
        of_queue = self.controls.get((QUEUE, lane.queue), Control())
        return of_queue.concurrency is None and is_apart(self.declared, lane.pipeline)

    def running(self, lane: Lane, number: int, ids: Sequence[int]) -> None:
        """So many jobs of a lane run, or were admitted and not claimed yet; these are some."""
        for gate in self.gates(lane):
            if gate.limit.seconds is None:
                self.used[gate] += number
                self.holders[gate] = sorted([*self.holders.get(gate, ()), *ids])[:SHOWN]

    def begun(self, lane: Lane, number: int, seconds: float | None) -> None:
        """So many jobs of a lane have begun within so many seconds, or will (`None`): they are admitted."""
        for gate in self.gates(lane):
            if gate.limit.seconds is not None and seconds in (None, gate.limit.seconds):
                self.used[gate] += number

    def windows(self) -> set[float]:
        """The times within which jobs count as they begin."""
        limits = [limit for control in self.controls.values() for limit in control.limits]
        limits += [limit for declared in self.declared.values() for limit in declared.limits]
        return {limit.seconds for limit in limits if limit.seconds is not None}

    def full(self, lane: Lane) -> Gate | None:
        """The first limit before a lane that has no room."""
        return next((gate for gate in self.gates(lane) if self.used[gate] >= gate.limit.most), None)

    def shuts(self, queue: str, pipeline: str) -> bool:
        """Whether no lane at all of a queue and pipeline may begin, or enough of the queue are ready."""
        if self.ready[queue] >= READY or self.paused(QUEUE, queue) or self.paused(PIPELINE, pipeline):
            return True
        return any(self.used[gate] >= gate.limit.most for gate in self.common(queue, pipeline))

    def bars(self, lane: Lane) -> bool:
        """Whether nothing of a lane may begin."""
        return self.shuts(lane.queue, lane.pipeline) or self.full(lane) is not None

    def admit(self, lanes: Iterable[tuple[Lane, int]], *, most: int) -> dict[Lane, int]:
        """How many of each of these lanes, in which so many wait, are let in: one of each in turn, `most` in all.

        The last that has its turn comes last.
        """
        admitted: dict[Lane, int] = {}
        left = dict(lanes)
        while left and most > 0:
            for lane, number in list(left.items()):
                if number == 0 or self.bars(lane):
                    del left[lane]
                    continue
                left[lane] -= 1
                admitted[lane] = admitted.pop(lane, 0) + 1
                self.used.update(self.gates(lane))
                self.ready[lane.queue] += 1
                most -= 1
                if most == 0:
                    break
        return admitted

    def why(self, lane: Lane, *, held: bool = True) -> dict[str, Any] | None:
        """Why a job of a lane, which is `held` or was let in, may not begin, as facts; `None`: nothing keeps it."""
        if self.paused(QUEUE, lane.queue):
            return {"code": WaitingCode.QUEUE_PAUSED, "queue": lane.queue}
        if self.paused(PIPELINE, lane.pipeline):
            return {"code": WaitingCode.PIPELINE_PAUSED, "pipeline": lane.pipeline}
        gate = self.full(lane) if held else None
        if gate is None:
            return None
        if gate.limit.seconds is not None:
            return {"code": WaitingCode.RATE_LIMIT, **gate.facts, "per_seconds": gate.limit.seconds}
        return {"code": WaitingCode.CONCURRENCY_LIMIT, **gate.facts, "holders": self.holders.get(gate, [])}
