"""What a pipeline is made of. The pipelines themselves are declared in `background.pipelines`."""

import copy
import hashlib
import inspect
import reprlib
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from pydantic import ValidationError

from background import jsontext
from background.strict import Strict


class Params(Strict):
    """Base of a pipeline's parameters: no unknown field, no number given as a string, no NaN or Infinity.

    Override `check` for what only the outside world can tell, e.g. whether a document exists.
    """

    def check(self) -> None:
        """Raise `background.errors.Invalid` when a job with these parameters could not succeed."""


class DeclaredWrong(SystemExit):
    """A pipeline that cannot work ends the process that imports it, with one line."""

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))


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

    def progress(self, fraction: float, message: object = None) -> None:
        """Report how far this step is, from 0 to 1; written at most twice a second, an event at most every 5 s.

        Any `message` is shown as its text, and NaN as 0. Raises `Cancelled` or `NotOurs`, which a step lets through.
        """
        self.report(min(max(0.0, float(fraction)), 1.0), None if message is None else str(message))

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

NAME_CHARACTERS = 100
"""How long the name of a pipeline or of a step may be."""
_short = reprlib.Repr()
_short.maxstring = _short.maxother = NAME_CHARACTERS + 20
_shown = _short.repr


@dataclass(frozen=True)
class Pipeline:
    """A named row of steps with one model of parameters; `pipeline.step` adds a step (see `background.pipelines`).

    `upgrade` makes of the parameters of an older release, a dictionary, those of this one. `timeouts` has the seconds
    of those steps that may not take as long as `JOB_TIME_LIMIT`. Raises `DeclaredWrong`.
    """

    name: str
    params: type[Params]
    description: str = ""
    upgrade: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    steps: dict[str, StepFunction] = field(default_factory=dict, init=False)
    timeouts: dict[str, float] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        _require_name(self.name, "The name of a pipeline")
        # Whoever declares one may have no type checker.
        given: Any = self.params
        if not (isinstance(given, type) and issubclass(given, Params)):
            raise DeclaredWrong(f"{self}: its params must be a class derived from Params, not {_shown(given)}.")
        if not isinstance(self.description, str):
            raise DeclaredWrong(f"{self}: its description must be text, not {_shown(self.description)}.")
        if self.upgrade is not None:
            _require_plain(self.upgrade, f"{self}: upgrade", arguments=["the parameters"])

    def __str__(self) -> str:
        return f"Pipeline {self.name!r}"

    def step(self, function: StepFunctionT) -> StepFunctionT:
        """Decorator: the function becomes the next step, under its own name. Raises `DeclaredWrong`."""
        name: Any = getattr(function, "__name__", None)
        what = f"Step {_shown(function if name is None else name)} of pipeline {self.name!r}"
        _require_plain(function, what, arguments=["the context", "the parameters"])
        if name in (None, "<lambda>"):
            raise DeclaredWrong(f"{what} has no name of its own. Declare it with def, or set its __name__.")
        _require_name(name, f"The name of a step of pipeline {self.name!r}")
        if name in self.steps:
            raise DeclaredWrong(f"{what} is there twice. A decorator keeps a function's name with functools.wraps.")
        self.steps[name] = function
        return function

    def step_within(self, seconds: float) -> Callable[[StepFunctionT], StepFunctionT]:
        """Decorator: as `step`, and the step times out after so many seconds."""
        given: Any = seconds
        if isinstance(given, bool) or not isinstance(given, int | float) or not 0 < given <= sys.float_info.max:
            what = f"{self}: step_within takes the seconds that the step may take, as in step_within(60)"
            raise DeclaredWrong(f"{what}; it was given {_shown(given)}.")

        def add(function: StepFunctionT) -> StepFunctionT:
            added = self.step(function)
            self.timeouts[function.__name__] = seconds
            return added

        return add

    def require_complete(self) -> None:
        """Raise `DeclaredWrong` for what is only seen once all is declared: no steps, parameters without a schema."""
        if not self.steps:
            raise DeclaredWrong(f"{self} has no steps.")
        try:
            self.params.model_rebuild()  # its annotations may name what was declared later
            jsontext.dumps([self.description, self.schema()])
        except Exception as error:  # noqa: BLE001  (annotations and defaults are anybody's code)
            raise DeclaredWrong(f"{self}: no JSON Schema can be made of its params: {one_line(error)}") from None

    def schema(self) -> dict[str, Any]:
        """The JSON Schema of its parameters."""
        return self.params.model_json_schema()

    def params_digest(self) -> str:
        """Tells apart, as far as can be told, releases that take other parameters: by schema and source.

        A hint for people. Whether parameters fit is only known by `accept`.
        """
        parts = [*(each for each in self.params.__mro__ if issubclass(each, Params)), self.upgrade]
        text = jsontext.dumps([self.schema(), *map(_source, parts)])
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def accept(self, params: dict[str, Any]) -> Params:
        """The parameters of a job, perhaps of an older release, as this one's model. Raises `Refused`.

        `params` stay as they are, whatever validators and `upgrade` do.
        """
        where = ""
        try:
            try:
                return self.params.model_validate(copy.deepcopy(params))
            except ValidationError:
                if self.upgrade is None:
                    raise
                where = "upgrade: "
                upgraded = self.upgrade(copy.deepcopy(params))
            where = ""
            return self.params.model_validate(upgraded)
        except ValidationError as error:
            first = error.errors()[0]
            raise Refused(f"{where}{'.'.join(map(str, first['loc'])) or 'params'}: {first['msg']}") from error
        except BaseException as error:  # whatever the pipeline's own code raises, `sys.exit()` too
            raise Refused(f"{where}{one_line(error)}") from error


def one_line(error: BaseException) -> str:
    """An error's type and text in one line."""
    return ": ".join(filter(None, (type(error).__name__, " ".join(str(error).split()))))


def _require_name(name: Any, what: str) -> None:
    # A name stands in statements, addresses and log lines.
    if not (isinstance(name, str) and name.strip() and name.isprintable() and len(name) <= NAME_CHARACTERS):
        wanted = f"must be text of 1 to {NAME_CHARACTERS} printable characters"
        raise DeclaredWrong(f"{what} {wanted}; {_shown(name)} is not.")


def _require_plain(function: Any, what: str, *, arguments: list[str]) -> None:
    """Raise `DeclaredWrong` unless it is a plain function that can be called with these arguments."""
    if not callable(function) or isinstance(function, type):
        raise DeclaredWrong(f"{what} must be a function.")
    called = function
    while isinstance(called, partial):
        called = called.func
    for each in (called, type(called).__call__):
        if inspect.iscoroutinefunction(each) or inspect.isasyncgenfunction(each):
            raise DeclaredWrong(f"{what} is async; it must be a plain function.")
        if inspect.isgeneratorfunction(each):
            raise DeclaredWrong(f"{what} is a generator; it must be a plain function, which returns.")
    try:
        inspect.signature(function).bind(*arguments)
    except ValueError:
        pass  # a builtin does not say what it takes
    except TypeError:
        count = {1: "one argument", 2: "two arguments"}[len(arguments)]
        raise DeclaredWrong(f"{what} must take {count}: {' and '.join(arguments)}.") from None


def _source(part: Any) -> str:
    try:
        return inspect.getsource(part)
    except (OSError, TypeError):
        return ""
