"""What a step is told, and how it reports."""

import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")


def require_seconds(seconds: float) -> None:
    """Raise `ValueError` unless one can wait so long; without end, too, since a step has a time-out."""
    if not seconds >= 0:  # NaN is neither
        raise ValueError(f"context.sleep takes seconds, 0 or more; it was given {seconds!r}.")


def step_key(job_id: int, number: int) -> str:
    """The stable key of a step as text, e.g. `job-7-step-2`."""
    return f"job-{job_id}-step-{number}"


@dataclass(frozen=True, kw_only=True)
class StepContext:
    """What a step is told, and its way to report.

    `outputs` holds the outputs of the earlier steps by name. `key` stays the same over all attempts: use it for outside
    effects. `failures` counts the errors of this very step so far.
    """

    job_id: int
    step_number: int
    attempt: int
    failures: int = 0
    key_number: int | None = None
    outputs: Mapping[str, Any] = field(default_factory=dict)
    report: Callable[[float, str | None], None]
    watch: Callable[[], None]
    is_async: bool = False
    effects: Any = None
    write_line: Callable[[int, str], None] = lambda level, text: logging.getLogger(__name__).log(level, "%s", text)

    def once(self, name: str, function: Callable[[], T]) -> T:
        """Call the function, and record what it gives under this name; a step that is run again is given that.

        For an outside effect that must not be had twice. It comes back as JSON, or in the type that the function
        declares. A worker may die after the effect and before its record: give the outside the `key` as well.
        """
        if self.is_async:
            raise RuntimeError("context.once would hold up every async step of this process: await context.aonce.")
        found: T = self.effects.once(name, function)
        return found

    async def aonce(self, name: str, function: Callable[[], Awaitable[T]]) -> T:
        """As `once`, in a step that is `async`: for a function that is awaited."""
        found: T = await self.effects.aonce(name, function)
        return found

    @property
    def key(self) -> str:
        """The stable key of this step as text, e.g. `job-7-step-2`.

        A step keeps the number that it had when its name first stood in the job's plan.
        """
        return step_key(self.job_id, self.key_number or self.step_number)

    def progress(self, fraction: float, message: object = None) -> None:
        """Report how far this step is, from 0 to 1; written at most twice a second, an event at most every 5 s.

        Any `message` is shown as its text, and NaN as 0. Raises `Cancelled` or `NotOurs`, which a step lets through.
        """
        self.report(min(max(0.0, float(fraction)), 1.0), None if message is None else str(message))

    def log(self, message: object, level: int = logging.INFO) -> None:
        """Keep a line with this attempt, as is what the step's code says to the standard `logging`.

        Of an attempt the newest 1,000 lines or 256 KiB are kept, and of a line its first 4,000 characters.
        """
        self.write_line(level, str(message))

    def check_cancelled(self) -> None:
        """Raise `Cancelled` or `NotOurs` when this step should stop; asks PostgreSQL at most twice a second.

        A step that is `async` need not ask: it is stopped where it waits.
        """
        self.watch()

    def sleep(self, seconds: float) -> None:
        """Wait, reporting progress from 0 to 1 and leaving early when the job is cancelled.

        Raises `ValueError` for less than no time and for NaN, and `RuntimeError` in a step that is `async`, since all
        others of its loop would wait as well.
        """
        if self.is_async:
            raise RuntimeError("context.sleep would hold up every async step of this process: await asyncio.sleep.")
        require_seconds(seconds)
        begun = time.monotonic()
        while (passed := time.monotonic() - begun) < seconds:
            self.progress(passed / seconds)
            time.sleep(min(0.1, seconds - passed))
