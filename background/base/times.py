"""When something that repeats is due: cron lines by the clocks of a time zone, and intervals."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Protocol
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

CRON_CHARACTERS = 255
LEAST_SECONDS = 1.0
MOST_SECONDS = 10 * 365 * 86_400.0
_SECOND = timedelta(seconds=1)
_SOON = timedelta(hours=3)
"""Longer than any clock is set back, or forward but for a change of the date line."""
_FIRST = datetime(2000, 1, 1)  # noqa: DTZ001  (a wall clock's)


class Unusable(ValueError):
    """A cron line, a zone or an interval that cannot be used. Its text says why, and `code` of what kind that is."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


class Times(Protocol):
    """What tells due times."""

    def after(self, moment: datetime) -> datetime | None:
        """The first due time after a moment, in UTC; `None` where none follows."""


@cache
def zones() -> frozenset[str]:
    """The names of time zones (IANA), the same on every machine: what its own files are called does not count."""
    return frozenset(files("tzdata").joinpath("zones").read_text(encoding="utf-8").split())


def zone_called(name: str) -> ZoneInfo:
    """The time zone of this name. Raises `Unusable`."""
    if name not in zones():
        raise Unusable(f"There is no time zone {name[:50]!r}; it is a name such as Europe/Berlin, or UTC.", "time_zone")
    return ZoneInfo(name)


class Cron:
    """A cron line by the clocks of a time zone. Raises `Unusable`.

    One that names hours is due when the clock on the wall shows them, once each: what a clock that is set forward skips
    is due when it is set, and of what one that is set back shows twice the first time counts. One for every hour goes
    on from hour to hour, whatever the clock is set to.
    """

    def __init__(self, line: str, zone: str = "UTC") -> None:
        self._zone = zone_called(zone)
        self._line = _checked(line)
        self._every_hour = CronSim(self._line, _FIRST).hours == set(range(24))

    def after(self, moment: datetime) -> datetime | None:
        """The first due time after a moment, in UTC; `None` where none follows within 50 years."""
        found = self._by_the_hour(moment) if self._every_hour else self._by_the_wall(moment)
        return found and found.astimezone(UTC)

    def _by_the_wall(self, moment: datetime) -> datetime | None:
        # What the wall shows later is never due before what it shows now.
        for wall in self._walls(self._wall(moment)):
            due = self._shown(wall)
            if due > moment:
                return due
        return None

    def _by_the_hour(self, moment: datetime) -> datetime | None:
        start = now = self._wall(moment)
        while (due := next(self._walls(start), None)) is not None:
            then = moment + (due - now)
            soon = min(then, moment + _SOON)
            if self._offset(soon) != self._offset(moment):
                moment = self._change(moment, soon)
            elif soon == then:
                return then
            else:
                # What changes in between is far from both ends.
                shown = self._shown(due)
                if self._wall(shown) == due:
                    return shown
                moment = shown
            # The moment of a change may be due itself.
            now = self._wall(moment)
            start = now - _SECOND
        return None

    def _walls(self, wall: datetime) -> Iterator[datetime]:
        """What the wall shows at due times after this, as though no clock were ever set."""
        return CronSim(self._line, wall)

    def _wall(self, moment: datetime) -> datetime:
        return moment.astimezone(self._zone).replace(tzinfo=None, fold=0)

    def _offset(self, moment: datetime) -> timedelta:
        return moment.astimezone(self._zone).utcoffset() or timedelta()

    def _shown(self, wall: datetime) -> datetime:
        """When the wall first shows this, or is set past it."""
        first = wall.replace(tzinfo=self._zone, fold=0).astimezone(UTC)
        if self._wall(first) == wall:
            return first
        return self._change(wall.replace(tzinfo=self._zone, fold=1).astimezone(UTC), first)

    def _change(self, before: datetime, after: datetime) -> datetime:
        """When the clock is set, to the second, of two moments with different offsets."""
        was, before = self._offset(before), before.replace(microsecond=0)
        while after - before > _SECOND:
            middle = before + (after - before) // (2 * _SECOND) * _SECOND
            before, after = (middle, after) if self._offset(middle) == was else (before, middle)
        return after


class Interval:
    """Due every so many seconds, counted from an anchor, so that nothing drifts."""

    def __init__(self, seconds: float, anchor: datetime) -> None:
        self._step = timedelta(seconds=seconds)
        self._anchor = anchor

    def after(self, moment: datetime) -> datetime:
        """The first due time after a moment, and after the anchor."""
        return self._anchor + (max((moment - self._anchor) // self._step, 0) + 1) * self._step


def _checked(line: str) -> str:
    fields = line.split()
    if len(fields) != 5:
        message = f"A cron line has five fields: minute, hour, day, month, day of the week; this has {len(fields)}."
        raise Unusable(message, "cron_line")
    try:
        found = next(CronSim(line, _FIRST), None)
    except (CronSimError, ValueError, AssertionError) as error:
        # It takes a day that no month has for a fault of the line.
        if _fires_on_any_day(line):
            found = None
        else:
            said = str(error).removeprefix("Bad ") or "line"
            raise Unusable(f"The cron line cannot be read: its {said} cannot be used.", "cron_line") from None
    if found is None:
        raise Unusable("The cron line never fires: no day of the calendar matches it.", "cron_never")
    return line


def _fires_on_any_day(line: str) -> bool:
    minute, hour, day, month, weekday = line.split()
    try:
        CronSim(f"{minute} {hour} {day} * {weekday}", _FIRST)
        CronSim(f"{minute} {hour} * {month} {weekday}", _FIRST)
    except (CronSimError, ValueError, AssertionError):
        return False
    return True
