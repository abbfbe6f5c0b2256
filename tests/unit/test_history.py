"""Buckets of time and percentiles of what ended in them."""

import math
import random
from datetime import UTC, datetime, timedelta

import pytest

from background.jobs import history
from background.jobs.history import Part, Range
from background.jobs.sql.history import UNIT

NOW = datetime(2026, 3, 1, 12, 34, 56, tzinfo=UTC)


def parts(values: list[float], *, measure: str = "running", since: datetime = NOW) -> list[Part]:
    """These values in their bins, in no order."""
    bins: dict[int, list[float]] = {}
    for value in values:
        bins.setdefault(math.ceil(math.log(max(value, 0.001)) / math.log(1.1)), []).append(value)
    found = [Part(since, measure, place, len(each), sum(each)) for place, each in bins.items()]
    random.Random(7).shuffle(found)
    return found


@pytest.mark.parametrize("range_", Range)
def test_buckets_follow_each_other_and_the_last_one_holds_the_present(range_: Range) -> None:
    width, number = history.BUCKETS[range_]
    begins = history.starts(range_, NOW)
    assert begins == [begins[0] + width * place for place in range(number)]
    assert begins[-1] <= NOW < begins[-1] + width
    assert width < UNIT or width % UNIT == timedelta(0), "sums of whole units make a bucket"


def test_percentiles_are_right_to_a_tenth() -> None:
    values = [random.Random(1).lognormvariate(1, 2) for _ in range(1)] + [
        random.Random(seed).lognormvariate(1, 2) for seed in range(2000)
    ]
    spread = history.spread(parts(values))
    assert spread is not None
    ordered = sorted(values)
    for percent, found in ((50, spread.p50), (95, spread.p95), (99, spread.p99)):
        right = ordered[math.ceil(len(ordered) * percent / 100) - 1]
        assert abs(found - right) <= right / 10, percent
    assert spread.mean == pytest.approx(sum(values) / len(values))


@pytest.mark.parametrize("values", [[0.0], [7.0], [7.0] * 99])
def test_of_one_value_every_percentile_is_that_value(values: list[float]) -> None:
    assert history.spread(parts(values)) == pytest.approx((values[0],) * 4)


def test_each_bucket_has_its_own_and_an_empty_one_has_nothing() -> None:
    first, second = NOW, NOW + timedelta(minutes=1)
    found = [
        *parts([1.0, 1.0]),
        *parts([0.5], measure="waiting"),
        Part(first, "COMPLETED", 0, 2, 0.0),
        Part(first, "FAILED", 0, 1, 0.0),
    ]
    one, other = history.buckets([first, second], found)
    assert one.ended == {"COMPLETED": 2, "FAILED": 1}
    assert (one.running and one.running.p99, one.waiting and one.waiting.p50) == (1.0, 0.5)
    assert (other.minute, other.ended, other.running, other.waiting) == (second, {}, None, None)
