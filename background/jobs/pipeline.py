"""What a pipeline is made of. The pipelines themselves are declared in `background.pipelines`."""

import hashlib
import inspect
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

from pydantic import ValidationError

from background.strict import Strict


class Params(Strict):
    """Base of a pipeline's parameters: no unknown field, no number given as a string, no NaN or Infinity.

    Override `check` for what only the outside world can tell, e.g. whether a document exists.
    """

    def check(self) -> None:
        """Raise `background.errors.Invalid` when a job with these parameters could not succeed."""


class DeclaredWrong(SystemExit):
    """A pipeline that cannot work ends the process that imports it, with one line."""


class Refused(Exception):
    """Parameters that this release of a pipeline does not take; its text says why."""


class Cancelled(BaseException):
    """Raised inside a step whose job is to be cancelled. A step's own `except Exception` lets it through."""


class NotOurs(BaseException):
    """Raised inside a step whose job has gone to another attempt: stop at once, nothing can be written any more."""


class TimedOut(BaseException):
    """Raised inside a step that has taken longer than it may; a failure, and tried again as any other."""


class NoRetry(Exception):
    """A step raises this when trying again cannot help: the job fails at once."""


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

    @property
    def key(self) -> str:
        """The stable key of this step as text, e.g. `job-7-step-2`.

        A step keeps the number that it had when its name first stood in the job's plan.
        """
        return step_key(self.job_id, self.key_number or self.step_number)

    def progress(self, fraction: float, message: str | None = None) -> None:
        """Report how far this step is, from 0 to 1; written at most twice a second, an event at most every 5 s.

        Raises `Cancelled` or `NotOurs`, which a step lets through.
        """
        self.report(min(max(fraction, 0.0), 1.0), message)

    def check_cancelled(self) -> None:
        """Raise `Cancelled` or `NotOurs` when this step should stop; asks PostgreSQL at most twice a second."""
        self.watch()

    def sleep(self, seconds: float) -> None:
        """Wait, reporting progress from 0 to 1 and leaving early when the job is cancelled."""
        begun = time.monotonic()
        while (passed := time.monotonic() - begun) < seconds:
            self.progress(passed / seconds)
            time.sleep(min(0.1, seconds - passed))


StepFunction = Callable[[StepContext, Any], Any]
StepFunctionT = TypeVar("StepFunctionT", bound=StepFunction)


@dataclass(frozen=True)
class Pipeline:
    """A named row of steps with one model of parameters; `pipeline.step` adds a step (see `background.pipelines`).

    `upgrade` makes of the parameters of an older release, a dictionary, those of this one. `timeouts` has the seconds
    of those steps that may not take as long as `JOB_TIME_LIMIT`.
    """

    name: str
    params: type[Params]
    description: str = ""
    upgrade: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    steps: dict[str, StepFunction] = field(default_factory=dict, init=False)
    timeouts: dict[str, float] = field(default_factory=dict, init=False)

    def step(self, function: StepFunctionT) -> StepFunctionT:
        """Decorator: the function becomes the next step, under its own name. Raises `DeclaredWrong`."""
        name = getattr(function, "__name__", repr(function))
        step = f"Step {name!r} of pipeline {self.name!r}"
        if name in self.steps:
            raise DeclaredWrong(f"{step} is there twice. A decorator keeps a function's name with functools.wraps.")
        if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
            raise DeclaredWrong(f"{step} is async; a step is a plain function.")
        try:
            inspect.signature(function).bind(None, None)
        except TypeError:
            raise DeclaredWrong(f"{step} must take two arguments, the context and the parameters.") from None
        self.steps[name] = function
        return function

    def step_within(self, seconds: float) -> Callable[[StepFunctionT], StepFunctionT]:
        """Decorator: as `step`, and the step times out after so many seconds."""

        def add(function: StepFunctionT) -> StepFunctionT:
            self.timeouts[function.__name__] = seconds
            return self.step(function)

        return add

    @cached_property
    def params_digest(self) -> str:
        """What tells whether two releases take the same parameters: their schema, and how it is written."""
        try:
            source = inspect.getsource(self.params)
        except (OSError, TypeError):
            source = ""
        text = json.dumps(self.params.model_json_schema(), sort_keys=True) + source
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def accept(self, params: dict[str, Any]) -> Params:
        """The parameters of a job, perhaps of an older release, as this one's model. Raises `Refused`."""
        try:
            return self.params.model_validate(params)
        except ValidationError as error:
            reason = error
        try:
            if self.upgrade is not None:
                return self.params.model_validate(self.upgrade(dict(params)))
        except ValidationError as error:
            reason = error
        except Exception as error:
            raise Refused(f"upgrade: {type(error).__name__}: {error}") from error
        first = reason.errors()[0]
        raise Refused(f"{'.'.join(map(str, first['loc'])) or 'params'}: {first['msg']}") from reason
