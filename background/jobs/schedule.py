"""What a pipeline declares of the times at which it runs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from background.base.times import LEAST_SECONDS, MOST_SECONDS, Cron, Interval, Times, Unusable, zone_called


@dataclass(frozen=True)
class Schedule:
    """When a pipeline runs by itself, and with which parameters: `Pipeline(…, schedule=Schedule("0 3 * * *", …))`.

    Either a `cron` line by the clocks of a `timezone`, or `every_seconds`. With `catch_up` each of the times that were
    missed is made up for, 100 at most; else one job stands for all of them. Raises `Unusable`, a `ValueError`.
    """

    cron: str | None = None
    every_seconds: float | None = None
    timezone: str = "UTC"
    params: Mapping[str, Any] = field(default_factory=dict)
    catch_up: bool = False

    def __post_init__(self) -> None:
        self.times(anchor=datetime.now(UTC))

    def times(self, *, anchor: datetime) -> Times:
        """What tells its due times; an interval counts from `anchor`."""
        if (self.cron is None) == (self.every_seconds is None):
            raise Unusable("A schedule has either a cron line or every_seconds, one of the two.", "schedule_when")
        if self.cron is not None:
            return Cron(self.cron, self.timezone)
        zone_called(self.timezone)
        seconds: Any = self.every_seconds
        if isinstance(seconds, bool) or not isinstance(seconds, int | float):
            raise Unusable("every_seconds is a number.", "schedule_when")
        if not LEAST_SECONDS <= seconds <= MOST_SECONDS:
            raise Unusable(f"every_seconds is from {LEAST_SECONDS:g} to {MOST_SECONDS:,.0f}.", "schedule_when")
        return Interval(seconds, anchor)
