"""Due times of cron lines and intervals, beside another reader of cron lines and beside every single minute.

`CRON_LINES=10000` looks at as many lines; here are fewer.
"""

import os
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from croniter import croniter
from pydantic import Field

from background.base.times import Cron, Interval, Unusable, zones
from background.jobs import Params, Pipeline, Schedule
from background.jobs.pipeline import DeclaredWrong
from tests.support import nested

LINES = int(os.environ.get("CRON_LINES", "300"))
# Clocks that are set at different hours, by half an hour, and at midnight, so that a day begins at one.
CHANGES = {
    "Europe/Berlin": ("2026-03-29T01:00Z", "2026-10-25T01:00Z"),
    "America/New_York": ("2026-03-08T07:00Z", "2026-11-01T06:00Z"),
    "Australia/Lord_Howe": ("2026-10-03T15:30Z", "2026-04-04T15:00Z"),
    "Africa/Cairo": ("2026-04-23T22:00Z", "2026-10-29T21:00Z"),
    "Pacific/Chatham": ("2026-09-26T14:00Z", "2026-04-04T14:00Z"),
}
MINUTE = timedelta(minutes=1)
NAMES = {
    2: ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"],
    3: ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"],
}


def field(chance: random.Random, first: int, last: int, names: list[str] | None = None) -> str:
    """A field of a line as people write them."""

    def one(number: int) -> str:
        return names[number - first] if names and chance.random() < 0.5 else str(number)

    def part() -> str:
        low, high = sorted(chance.sample(range(first, last + 1), 2))
        step = chance.randint(2, 7)
        return chance.choice([one(low), one(low), f"{one(low)}-{one(high)}", f"{low}-{high}/{step}"])

    return ",".join(part() for _ in range(chance.choice([1, 1, 2, 3])))


def line(chance: random.Random) -> str:
    """A line; some of its fields name everything."""
    minute = chance.choice(["*", "0", f"*/{chance.randint(2, 30)}", field(chance, 0, 59), field(chance, 0, 59)])
    hour = chance.choice(["*", f"*/{chance.randint(2, 12)}", "0-3", "1-3", field(chance, 0, 23), field(chance, 0, 5)])
    day = chance.choice(["*", "*", field(chance, 1, 28)])
    month = chance.choice(["*", "*", field(chance, 1, 12, NAMES[2])])
    weekday = chance.choice(["*", "*", field(chance, 0, 6, NAMES[3])])
    return f"{minute} {hour} {day} {month} {weekday}"


def numbers(text: str, first: int, last: int, names: list[str]) -> set[int]:
    """What a field names."""
    found: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        ends = [names.index(each) + first if each in names else int(each) for each in span.split("-") if each != "*"]
        low, high = (first, last) if span == "*" else (ends[0], ends[-1])
        found.update(range(low, high + 1, int(step or 1)))
    return found


def minutes_due(text: str, zone: str, start: datetime, end: datetime) -> list[datetime]:
    """Every minute is asked: does the wall show one of the line, or was it set past one?"""
    minute, hour, day, month, weekday = text.split()
    minutes, hours = numbers(minute, 0, 59, []), numbers(hour, 0, 23, [])
    days, months, weekdays = numbers(day, 1, 31, []), numbers(month, 1, 12, NAMES[2]), numbers(weekday, 0, 6, NAMES[3])

    def named(wall: datetime) -> bool:
        of_month, of_week = wall.day in days, (wall.weekday() + 1) % 7 in weekdays
        on_day = (of_month and of_week) if "*" in (day, weekday) else (of_month or of_week)
        return wall.minute in minutes and wall.hour in hours and wall.month in months and on_day

    def walls() -> Iterator[tuple[datetime, list[datetime]]]:
        """Each minute with what the wall shows then for the first time."""
        moment, newest = start, start.astimezone(ZoneInfo(zone)).replace(tzinfo=None) - MINUTE
        while moment < end:
            wall = moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None, fold=0)
            if len(hours) == 24:
                yield moment, [wall]
            else:
                yield moment, [newest + step * MINUTE for step in range(1, (wall - newest) // MINUTE + 1)]
                newest = max(newest, wall)
            moment += MINUTE

    return [moment for moment, shown in walls() if any(map(named, shown))]


def due(text: str, zone: str, start: datetime, end: datetime) -> list[datetime]:
    """The same, as it is computed."""
    cron = Cron(text, zone)

    def times() -> Iterator[datetime]:
        found = cron.after(start - timedelta(seconds=1))
        while found is not None:
            yield found
            found = cron.after(found)

    return list(takewhile(lambda moment: moment < end, times()))


@pytest.mark.parametrize("zone", CHANGES)
@pytest.mark.parametrize("which", [0, 1], ids=["forward", "back"])
def test_no_minute_is_missed_or_doubled_when_clocks_are_set(zone: str, which: int) -> None:
    change = datetime.fromisoformat(CHANGES[zone][which])
    before, after = (moment.astimezone(ZoneInfo(zone)).utcoffset() for moment in (change - MINUTE, change))
    assert before != after, "the clock is set at that minute"
    chance = random.Random(f"{zone}{which}")
    start, end = change - timedelta(hours=8), change + timedelta(hours=8)
    for _ in range(LINES // 10):
        text = line(chance)
        assert due(text, zone, start, end) == minutes_due(text, zone, start, end), text


def test_lines_mean_what_they_mean_elsewhere() -> None:
    chance = random.Random(1)
    for _ in range(LINES):
        text = line(chance)
        moment = datetime(2026, 1, 1, tzinfo=UTC) + chance.randint(0, 10**9) * timedelta(seconds=0.5)
        theirs = croniter(text, moment)
        ours = moment
        cron = Cron(text)
        for _ in range(4):
            found = cron.after(ours)
            assert found is not None
            assert found == theirs.get_next(datetime), (text, ours)
            ours = found


@pytest.mark.parametrize(
    ("text", "zone", "after", "expected"),
    [
        ("30 2 * * *", "Europe/Berlin", "2026-03-28T20:00", ["03-29T03:00", "03-30T02:30"]),
        ("*/15 2 * * *", "Europe/Berlin", "2026-03-28T20:00", ["03-29T03:00", "03-30T02:00"]),
        ("30 2 * * *", "Europe/Berlin", "2026-10-24T20:00", ["10-25T02:30", "10-26T02:30"]),
        ("0 * * * *", "Europe/Berlin", "2026-10-25T01:30", ["10-25T02:00", "10-25T02:00", "10-25T03:00"]),
        ("0 0 * * *", "Africa/Cairo", "2026-04-23T20:00", ["04-24T01:00", "04-25T00:00"]),
        ("15 */3 * * *", "Australia/Lord_Howe", "2026-10-04T00:30", ["10-04T03:15", "10-04T06:15"]),
        ("0 9 * JAN-MAR MON", "Asia/Seoul", "2026-12-31T00:00", ["01-04T09:00", "01-11T09:00"]),
        ("0 12 29 2 *", "UTC", "2026-01-01T00:00", ["02-29T12:00"]),
        ("0 0 L * *", "UTC", "2027-02-01T00:00", ["02-28T00:00"]),
    ],
)
def test_as_people_expect(text: str, zone: str, after: str, expected: list[str]) -> None:
    moment = datetime.fromisoformat(after).replace(tzinfo=ZoneInfo(zone))
    for shown in expected:
        found = Cron(text, zone).after(moment)
        assert found is not None
        assert found > moment
        assert f"{found.astimezone(ZoneInfo(zone)):%m-%dT%H:%M}" == shown
        moment = found


def test_a_moment_within_the_doubled_hour() -> None:
    second_time = datetime(2026, 10, 25, 1, 10, 0, 5, tzinfo=UTC)  # 02:10 in Berlin, once more
    assert Cron("45 2 * * *", "Europe/Berlin").after(second_time) == datetime(2026, 10, 26, 1, 45, tzinfo=UTC)
    assert Cron("*/20 * * * *", "Europe/Berlin").after(second_time) == datetime(2026, 10, 25, 1, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("0 0 30 2 *", "cron_never"),
        ("0 0 31 4,6,9,11 *", "cron_never"),
        ("* * * *", "cron_line"),
        ("* * * * * *", "cron_line"),
        ("@daily", "cron_line"),
        ("60 * * * *", "cron_line"),
        ("* * 32 2 *", "cron_line"),
        ("*/0 * * * *", "cron_line"),
        ("* * * * \u00b2L", "cron_line"),
        ("5- * * * *", "cron_line"),
        ("* * * * MOO", "cron_line"),
        ("\x00 * * * *", "cron_line"),
    ],
)
def test_a_line_that_cannot_be_used(text: str, code: str) -> None:
    with pytest.raises(Unusable) as refused:
        Cron(text)
    assert refused.value.code == code


def test_no_text_is_more_than_refused() -> None:
    chance = random.Random(2)
    for _ in range(20 * LINES):
        fields = ["".join(chance.choices("0159*/,-#LW?JANMONS ", k=chance.randint(1, 6))) for _ in range(5)]
        try:
            Cron(" ".join(fields)).after(datetime(2026, 1, 1, tzinfo=UTC))
        except Unusable:
            continue


@pytest.mark.parametrize(
    "zone", ["", "Mars/Olympus", "../../etc/passwd", "localtime", "Europe", "right/UTC", "europe/berlin"]
)
def test_a_zone_that_is_none(zone: str) -> None:
    with pytest.raises(Unusable, match="There is no time zone") as refused:
        Cron("* * * * *", zone)
    assert refused.value.code == "time_zone"


def test_every_zone_can_be_used() -> None:
    assert {"UTC", "Asia/Seoul", "America/Argentina/Buenos_Aires"} < zones()
    for zone in zones():
        assert Cron("0 12 * * *", zone).after(datetime(2026, 6, 1, tzinfo=UTC)) is not None


def test_an_interval_does_not_drift() -> None:
    anchor = datetime(2026, 1, 1, 0, 0, 0, 123_456, tzinfo=UTC)
    every = Interval(1.1, anchor)
    due_at = anchor
    for _ in range(1000):
        due_at = every.after(due_at + timedelta(seconds=0.4))
    assert due_at == anchor + timedelta(seconds=1100)
    assert every.after(anchor - timedelta(days=1)) == anchor + timedelta(seconds=1.1)


class Amount(Params):
    """Parameters of one pipeline."""

    amount: int = Field(default=1, ge=1)
    extra: Any = None


@pytest.mark.parametrize(
    ("schedule", "said"),
    [
        ("0 0 30 2 *", "never fires"),
        (3600, "must be a Schedule or a cron line"),
        ("", "five fields"),
        (Schedule("0 3 * * *", params={"amount": 0}), "params of its schedule are not taken"),
        (Schedule("0 3 * * *", params={"amuont": 1}), "params of its schedule are not taken"),
        (Schedule("0 3 * * *", params={"extra": nested(64)}), "not taken: Refused: They are nested deeper than the 64"),
    ],
)
def test_a_schedule_that_is_declared_wrong(schedule: object, said: str) -> None:
    def declare() -> None:
        pipeline = Pipeline("report", Amount, schedule=schedule)  # type: ignore[arg-type]
        pipeline.step(work)
        pipeline.require_complete()

    with pytest.raises(DeclaredWrong, match=said):
        declare()


def work(_: object, __: object) -> None:
    """A step."""


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"cron": "* * * * *", "every_seconds": 5},
        {"every_seconds": 0},
        {"every_seconds": True},
        {"every_seconds": 1e12},
    ],
)
def test_a_schedule_has_one_rhythm(given: dict[str, object]) -> None:
    with pytest.raises(Unusable):
        Schedule(**given)  # type: ignore[arg-type]
