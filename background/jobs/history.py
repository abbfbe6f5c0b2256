"""Ranges of time, their buckets, and percentiles: what charts of ended jobs show."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Range(StrEnum):
    """How far back; each has about as many buckets as a chart has room for."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"


BUCKETS = {
    Range.HOUR: (timedelta(minutes=1), 60),
    Range.DAY: (timedelta(minutes=20), 72),
    Range.WEEK: (timedelta(hours=2), 84),
}
"""How long a bucket of each range is, and how many there are."""


class Part(NamedTuple):
    """So many jobs that ended in the bucket which began `since` then have a `measure` in the same `bin`.

    A measure is a status, or what was measured in `seconds`, of which this is the sum; the order of bins is that of the
    values in them.
    """

    since: datetime
    measure: str
    bin: int
    number: int
    seconds: float


class Spread(NamedTuple):
    """The mean and percentiles of some seconds. A percentile is right to a tenth: it is the mean of its bin."""

    mean: float
    p50: float
    p95: float
    p99: float


class Bucket(NamedTuple):
    """What ended from `minute` on, until the next bucket begins."""

    minute: datetime
    ended: dict[str, int]
    waiting: Spread | None
    running: Spread | None


def starts(range_: Range, now: datetime) -> list[datetime]:
    """When each bucket of the range begins, oldest first; the last one holds `now`."""
    width, number = BUCKETS[range_]
    last = now - (now - EPOCH) % width
    return [last - width * place for place in reversed(range(number))]


def buckets(begins: Sequence[datetime], parts: Iterable[Part]) -> Iterator[Bucket]:
    """One bucket for each of these beginnings, empty where no part belongs to it."""
    found: defaultdict[tuple[datetime, str], list[Part]] = defaultdict(list)
    ended: defaultdict[datetime, dict[str, int]] = defaultdict(dict)
    for part in parts:
        if part.measure in ("waiting", "running"):
            found[part.since, part.measure].append(part)
        else:
            ended[part.since][part.measure] = part.number
    for begin in begins:
        yield Bucket(begin, ended[begin], spread(found[begin, "waiting"]), spread(found[begin, "running"]))


def spread(parts: Sequence[Part]) -> Spread | None:
    """The mean and percentiles of what is in these bins, `None` of none."""
    number = sum(part.number for part in parts)
    if not number:
        return None
    ordered = sorted(parts, key=lambda part: part.bin)
    return Spread(
        sum(part.seconds for part in parts) / number,
        *(_percentile(ordered, rank=number * percent / 100) for percent in (50, 95, 99)),
    )


def _percentile(ordered: Sequence[Part], *, rank: float) -> float:
    """The mean of the first bin by which so many values are reached."""
    reached = 0
    for part in ordered:
        reached += part.number
        if reached >= rank:
            break
    return part.seconds / part.number
