"""What a step declares of its own failures: which are tried again, how often, and how long after."""

import math
import random
from dataclasses import dataclass
from typing import Any

MOST_SECONDS = 7 * 86_400.0
"""How long a step may ask to be left alone, and a pause be, at most: a week."""


def _is_number(value: Any, least: float, most: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most


def is_pause(seconds: Any) -> bool:
    """Whether a step may ask to be left alone for so many seconds."""
    return _is_number(seconds, 0, MOST_SECONDS)


class NoRetry(Exception):
    """A step raises this when trying again cannot help: the job fails at once."""


class RetryLater(Exception):
    """A step raises this to be run again after so many seconds: nothing has failed, and no slot is held meanwhile.

    For a service that says when to come back, or something that is not there yet; `reason` is shown. A step may ask so
    often as its `max_waits` says. Raises `ValueError` for seconds that are none.
    """

    def __init__(self, seconds: float, reason: object = "") -> None:
        if not is_pause(seconds):
            raise ValueError(f"RetryLater takes from 0 to {MOST_SECONDS:,.0f} seconds; it was given {seconds!r}.")
        self.seconds = float(seconds)
        self.reason = str(reason)
        super().__init__(self.reason or f"in {seconds:g} s")

    def __reduce__(self) -> Any:
        """As it was made: one from another process is made anew from its `args`, which are its text alone."""
        return type(self), (self.seconds, self.reason), self.__dict__


def within(error: BaseException) -> list[BaseException]:
    """What has gone wrong: of a group, as a `TaskGroup` raises one, the errors in it at any depth."""
    if not isinstance(error, BaseExceptionGroup):
        return [error]
    return [each for part in error.exceptions for each in within(part)]


def as_meant(error: BaseException) -> BaseException:
    """The error that decides what becomes of a step: of a group the one that is there alone, or a `NoRetry` among them.

    Where all of them ask to be run later, the one that asks for the longest pause.
    """
    found = within(error)
    final = next((each for each in found if isinstance(each, NoRetry)), None)
    later = [each for each in found if isinstance(each, RetryLater) and is_pause(getattr(each, "seconds", None))]
    if final is not None or len(found) == 1:
        return final or found[0]
    return max(later, key=lambda each: each.seconds) if len(later) == len(found) else error


@dataclass(frozen=True)
class Backoff:
    """How long a step is left alone after a failure: `first` seconds, `factor` times as long after each, up to `most`.

    Less a random part of up to `jitter` of it, so that steps that failed together do not come back together ("equal
    jitter" where that is a half: Brooker, AWS Architecture Blog, 2015). Raises `ValueError`.
    """

    first: float = 1.0
    factor: float = 2.0
    most: float = 60.0
    jitter: float = 0.5

    def __post_init__(self) -> None:
        for name, least, most in (
            ("first", 0, MOST_SECONDS),
            ("factor", 1, 1000),
            ("most", self.first, MOST_SECONDS),
            ("jitter", 0, 1),
        ):
            value = getattr(self, name)
            if not _is_number(value, least, most):
                raise ValueError(f"{name} must be a number from {least:g} to {most:g}; {value!r} is not")

    def seconds(self, failures: int, *, chance: float | None = None) -> float:
        """Seconds until the next attempt after the `failures`-th failure; `chance` is from 0 to 1, else random."""
        chance = random.random() if chance is None else chance  # noqa: S311  (nothing secret)
        try:
            full = min(self.first * math.pow(self.factor, failures - 1), self.most)
        except OverflowError:
            full = self.most
        return full * (1 - self.jitter + self.jitter * chance)


def fixed(seconds: float, *, jitter: float = 0.0) -> Backoff:
    """The same pause after each failure. Raises `ValueError`."""
    return Backoff(seconds, factor=1, most=seconds, jitter=jitter)


def exponential(first: float = 1.0, *, factor: float = 2.0, most: float = 60.0, jitter: float = 0.5) -> Backoff:
    """A pause that grows with each failure, see `Backoff`. Raises `ValueError`."""
    return Backoff(first, factor, most, jitter)


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What becomes of a step that has failed. Raises `ValueError` for one that makes no sense.

    An error that is none of `retry_on` ends the job; a time-out or a lost worker is always tried again. With
    `max_attempts` the step's failures are held against that, and not against the job's. `max_waits` is how often it may
    raise `RetryLater`.
    """

    retry_on: tuple[type[Exception], ...] = (Exception,)
    backoff: Backoff = Backoff()
    max_attempts: int | None = None
    max_waits: int = 1000

    def __post_init__(self) -> None:
        errors: Any = self.retry_on
        if not isinstance(errors, tuple) or not all(isinstance(each, type) for each in errors):
            raise ValueError(f"retry_on must be a tuple of exceptions, as in (TimeoutError,); {errors!r} is not")
        if not errors or not all(issubclass(each, Exception) for each in errors):
            raise ValueError("retry_on must name exceptions; to try only once, say max_attempts=1")
        if not isinstance(self.backoff, Backoff):
            raise ValueError(f"backoff must be fixed(…) or exponential(…); {self.backoff!r} is neither")
        for name, value, most in (("max_attempts", self.max_attempts, 1000), ("max_waits", self.max_waits, 1_000_000)):
            given = 1 if name == "max_attempts" and value is None else value
            if isinstance(given, bool) or not isinstance(given, int) or not 1 <= given <= most:
                raise ValueError(f"{name} must be a whole number from 1 to {most:,}; {value!r} is not")

    def tries_again(self, error: BaseException) -> bool:
        """Whether such an error may go away by itself, and all that a group of them has."""
        if isinstance(error, BaseExceptionGroup) and not isinstance(error, self.retry_on):
            return all(map(self.tries_again, error.exceptions))
        if isinstance(error, NoRetry):
            return False
        return not isinstance(error, Exception) or isinstance(error, self.retry_on)

    def failure(self, own: int, *, failures: int, max_attempts: int) -> dict[str, Any]:
        """What `states.failed` takes of the next failure: its `limit`, and the pause after it."""
        limit = self.limit(own, failures=failures, max_attempts=max_attempts)
        return {**limit, "pause": self.backoff.seconds(limit["failures"] + 1)}

    def limit(self, own: int, *, failures: int, max_attempts: int) -> dict[str, Any]:
        """What the next failure is held against, as `states.lost` takes it: the step's `own` ones, or the job's."""
        if self.max_attempts is None:
            return {"failures": failures, "max_attempts": max_attempts}
        return {"failures": own, "max_attempts": self.max_attempts, "own": True}


DEFAULT = Policy()
"""Of a step that declares none."""
