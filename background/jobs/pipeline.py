"""What a pipeline is made of, and all that a module with pipelines needs. Ours are in `background.pipelines`."""

import copy
import hashlib
import json
import sys
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol, TypeVar, overload

from pydantic import ValidationError

from background.base import jsontext
from background.base.errors import said
from background.base.queue_names import QUEUE, QUEUE_RULE, is_queue
from background.base.strict import as_json, hides, written
from background.jobs.context import StepContext, step_key
from background.jobs.declared import DeclaredWrong, is_async, one_line, require_name, require_plain, shown, source
from background.jobs.limits import Limit, Rate, lane_key
from background.jobs.outputs import Codec, NotStorable
from background.jobs.params import EndedJob, Params, read_params, runs_own_code
from background.jobs.policy import DEFAULT, Backoff, NoRetry, Policy, RetryLater, exponential, fixed
from background.jobs.schedule import Schedule
from background.jobs.states import KEY_CHARACTERS

__all__ = [
    "Backoff",
    "Cancelled",
    "DeclaredWrong",
    "EndedJob",
    "Limit",
    "NoRetry",
    "NotOurs",
    "Params",
    "Pipeline",
    "Rate",
    "Refused",
    "RetryLater",
    "Schedule",
    "StepContext",
    "TimedOut",
    "exponential",
    "fixed",
    "step_key",
]


class Refused(Exception):
    """Parameters that this release of a pipeline does not take; its text says why."""


class Cancelled(BaseException):
    """Raised inside a step whose job is to be cancelled. A step's own `except Exception` lets it through."""


class NotOurs(BaseException):
    """Raised inside a step whose job has gone to another attempt: stop at once, nothing can be written any more."""


class TimedOut(BaseException):
    """Raised inside a step that has taken longer than it may; a failure, and tried again as any other."""


StepFunction = Callable[[StepContext, Any], Any]
StepFunctionT = TypeVar("StepFunctionT", bound=StepFunction)


class AddsStep(Protocol):
    """A decorator that adds a step, with a policy of its own where it is called first, see `Pipeline.step`."""

    @overload
    def __call__(self, function: StepFunctionT, /) -> StepFunctionT: ...
    @overload
    def __call__(
        self,
        *,
        timeout: float | None = None,
        retry_on: tuple[type[Exception], ...] = DEFAULT.retry_on,
        backoff: Backoff = DEFAULT.backoff,
        max_attempts: int | None = None,
        max_waits: int = DEFAULT.max_waits,
    ) -> Callable[[StepFunctionT], StepFunctionT]: ...


@dataclass(frozen=True)
class Pipeline:
    """A named row of steps with one model of parameters; `pipeline.step` adds a step (see `background.pipelines`).

    `pipeline.on_success` and `pipeline.on_failure` add one that runs, in a job of its own, when a job has ended so.
    `upgrade` makes of the parameters of an older release, a dictionary, those of this one. `timeouts` has the seconds
    of those steps that may not take as long as `JOB_TIME_LIMIT`, `policies` what becomes of each that fails. Workers
    that serve the `queue` run its jobs, as far as its `limits` have room. With a `schedule`, a `Schedule` or a cron
    line in UTC, it also runs by itself. Of jobs with the same values of the params in `unique` there is one at a time.
    Raises `DeclaredWrong`.
    """

    name: str
    params: type[Params]
    description: str = ""
    upgrade: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    queue: str = QUEUE
    schedule: Schedule | str | None = None
    unique: Sequence[str] = ()
    limits: Sequence[Limit | Rate] = ()
    steps: dict[str, StepFunction] = field(default_factory=dict, init=False)
    timeouts: dict[str, float] = field(default_factory=dict, init=False)
    policies: dict[str, Policy] = field(default_factory=dict, init=False)
    hooks: dict[str, "Pipeline"] = field(default_factory=dict, init=False, repr=False, compare=False)
    _codecs: dict[str, Codec] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        require_name(self.name, "The name of a pipeline")
        # Whoever declares one may have no type checker.
        given: Any = self.params
        if not (isinstance(given, type) and issubclass(given, Params)):
            raise DeclaredWrong(f"{self}: its params must be a class derived from Params, not {shown(given)}.")
        if not isinstance(self.description, str):
            raise DeclaredWrong(f"{self}: its description must be text, not {shown(self.description)}.")
        if not is_queue(self.queue):
            raise DeclaredWrong(f"{self}: {QUEUE_RULE}; {shown(self.queue)} is not.")
        self._require_limits()
        if self.upgrade is not None:
            require_plain(self.upgrade, f"{self}: upgrade", arguments=["the parameters"])
        self.scheduled()
        named: Any = self.unique
        if not (isinstance(named, list | tuple) and set(map(type, named)) <= {str}):
            raise DeclaredWrong(f"{self}: unique takes names of its params, as in unique=['customer'].")
        if unknown := sorted(set(named) - set(given.model_fields)):
            raise DeclaredWrong(f"{self}: unique names {', '.join(map(shown, unknown))}, which its params do not have.")

    def _require_limits(self) -> None:
        given: Any = self.limits
        if not isinstance(given, list | tuple) or not all(isinstance(each, Limit | Rate) for each in given):
            raise DeclaredWrong(f"{self}: its limits must be a list of Limit and Rate, not {shown(given)}.")
        for each in self.limits:
            if problem := each.problem():
                raise DeclaredWrong(f"{self}: {problem}.")
            if each.key is not None and each.key not in self.params.model_fields:
                raise DeclaredWrong(f"{self}: the key of a limit must name a parameter; {shown(each.key)} is none.")

    @property
    def limit_keys(self) -> list[str]:
        """The parameters by whose values its limits count apart."""
        return list(dict.fromkeys(each.key for each in self.limits if each.key is not None))

    def __str__(self) -> str:
        return f"Pipeline {self.name!r}"

    @property
    def step(self) -> AddsStep:
        """Decorator: the function, which may be `async`, becomes the next step, under its own name.

        In brackets it takes the seconds after which the step times out, and what a `Policy` says: `retry_on`,
        `backoff`, `max_attempts`, `max_waits`. Raises `DeclaredWrong`.
        """
        return self._step

    def _step(self, *functions: Any, timeout: float | None = None, **policy: Any) -> Any:
        if functions:
            (function,) = functions
            return self._add(function, None, DEFAULT)
        if timeout is not None:
            self._require_seconds(timeout, "timeout takes the seconds that the step may take, as in timeout=60")
        try:
            declared = Policy(**policy)
        except (TypeError, ValueError) as error:
            raise DeclaredWrong(f"{self}: {error}.") from None
        return lambda function: self._add(function, timeout, declared)

    @property
    def on_success(self) -> AddsStep:
        """Decorator, used as `step`: a function of a context and an `EndedJob` that is run when a job is COMPLETED.

        As durably as a step, in a job of its own: claimed, tried again, kept. Of several each is a step of that job.
        """
        return self._hook("on_success", "COMPLETED").step

    @property
    def on_failure(self) -> AddsStep:
        """Decorator: as `on_success`, when a job has FAILED."""
        return self._hook("on_failure", "FAILED").step

    def _hook(self, kind: str, status: str) -> "Pipeline":
        if status not in self.hooks:
            what = f"Run when a job of the pipeline {self.name} is {status}."
            self.hooks[status] = Pipeline(f"{self.name}.{kind}", EndedJob, what, queue=self.queue)
        return self.hooks[status]

    def step_within(self, seconds: float) -> Callable[[StepFunctionT], StepFunctionT]:
        """Decorator: as `step`, and the step times out after so many seconds."""
        self._require_seconds(seconds, "step_within takes the seconds that the step may take, as in step_within(60)")
        return lambda function: self._add(function, seconds, DEFAULT)

    def _require_seconds(self, given: Any, what: str) -> None:
        if isinstance(given, bool) or not isinstance(given, int | float) or not 0 < given <= sys.float_info.max:
            raise DeclaredWrong(f"{self}: {what}; it was given {shown(given)}.")

    def _add(self, function: StepFunctionT, seconds: float | None, policy: Policy) -> StepFunctionT:
        name: Any = getattr(function, "__name__", None)
        what = f"Step {shown(function if name is None else name)} of pipeline {self.name!r}"
        require_plain(function, what, arguments=["the context", "the parameters"], may_be_async=True)
        if name in (None, "<lambda>"):
            raise DeclaredWrong(f"{what} has no name of its own. Declare it with def, or set its __name__.")
        require_name(name, f"The name of a step of pipeline {self.name!r}")
        if name in self.steps:
            raise DeclaredWrong(f"{what} is there twice. A decorator keeps a function's name with functools.wraps.")
        self.steps[name] = function
        self.policies[name] = policy
        if seconds is not None:
            self.timeouts[name] = seconds
        return function

    def plan(self) -> dict[str, Any]:
        """What a new job of it keeps: its `step_names`, and their `step_timeouts`."""
        return {"step_names": list(self.steps), "step_timeouts": [self.timeouts.get(name) for name in self.steps]}

    def scheduled(self) -> Schedule | None:
        """When it runs by itself, if it does. Raises `DeclaredWrong`."""
        given: Any = self.schedule
        try:
            found = Schedule(given) if isinstance(given, str) else given
        except ValueError as error:
            raise DeclaredWrong(f"{self}: its schedule {shown(given)}: {error}") from None
        if not (found is None or isinstance(found, Schedule)):
            raise DeclaredWrong(f"{self}: its schedule must be a Schedule or a cron line, not {shown(found)}.")
        return found

    def scheduled_params(self) -> dict[str, Any]:
        """The parameters of the jobs that its schedule makes, as JSON. Raises `DeclaredWrong`."""
        if self.scheduled() is None:
            return {}
        try:
            return self.stored(read_params(self.params, self.scheduled_given()))
        except Exception as error:  # noqa: BLE001  (validators are anybody's code)
            raise DeclaredWrong(f"{self}: the params of its schedule are not taken: {one_line(error)}") from None

    def scheduled_given(self) -> dict[str, Any]:
        """Those of them that its schedule names, as JSON. Raises `ValueError` for what has no form in it."""
        declared = self.scheduled()
        return {} if declared is None else as_json(declared.params)

    def drawn(self, params: dict[str, Any]) -> list[str]:
        """The fields whose values are made anew for each job (`default_factory`), where clients give these params."""
        made = [name for name, each in self.params.model_fields.items() if each.default_factory is not None]
        given = self.given(params) if made else ()
        return [name for name in made if name not in given]

    def given(self, params: dict[str, Any]) -> Collection[str]:
        """The fields that clients give with these params, which have been checked."""
        return read_params(self.params, params).model_fields_set

    def drawn_anew(self, params: dict[str, Any], names: Collection[str]) -> dict[str, Any]:
        """Stored parameters with new values of these fields; all else as it is where this release refuses them.

        One that it cannot make is left out then: what is stored is of the moment when the pattern was made.
        """
        left = {name: value for name, value in params.items() if name not in names}
        made: dict[str, Any] = {}
        # Validators and factories are anybody's code.
        with suppress(BaseException):
            return self.stored(read_params(self.params, left))
        with suppress(BaseException):
            made = written(self.params.model_construct())
        return {**left, **{name: made[name] for name in names if name in made and jsontext.is_json(made[name])}}

    def unique_key(self, params: dict[str, Any]) -> str | None:
        """The key of a job with these stored parameters; `None` where the pipeline declares none.

        Nor has a job one whose parameters are of a release without those that are unique now, and do not fit.

        It is the JSON of those that are `unique`, by name and without spaces (`{"customer":7}`), or its SHA-256 where
        that is too long.
        """
        params = self._with(self.unique, params)
        if not self.unique or not set(self.unique) <= set(params):
            return None
        named = json.loads(jsontext.as_kept(jsontext.dumps({name: params[name] for name in self.unique})))
        key = json.dumps(named, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return key if len(key) <= KEY_CHARACTERS else f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"

    def lane_key(self, params: dict[str, Any]) -> str:
        """The values of the keys of its limits in stored parameters, see `limits.lane_key`."""
        return lane_key(self.limit_keys, self._with(self.limit_keys, params))

    def _with(self, names: Collection[str], params: dict[str, Any]) -> dict[str, Any]:
        """Stored parameters with these: what the release that stored them did not know is as this one reads it."""
        if not set(names) <= set(params):
            with suppress(Refused):
                return written(self.accept(params))
        return params

    def policy(self, step: str) -> Policy:
        """What becomes of this step when it fails; the usual where there is no such step."""
        return self.policies.get(step, DEFAULT)

    def is_async(self, step: str) -> bool:
        """Whether this step, which is there, is async."""
        codec = self.codec(step)
        return codec is not None and codec.is_async

    def codec(self, step: str) -> Codec | None:
        """How the output of this step is stored and read; `None` where there is no such step. Raises `NotStorable`."""
        function = self.steps.get(step)
        if function is None:
            return None
        found = self._codecs.get(step)
        if found is None or found.function is not function:
            found = self._codecs[step] = Codec(function, is_async=is_async(function))
        return found

    def require_complete(self) -> None:
        """Raise `DeclaredWrong` for what is only seen once all is declared.

        No steps, parameters without a schema, an output that cannot be stored.
        """
        if not self.steps:
            raise DeclaredWrong(f"{self} has no steps.")
        for step in self.steps:
            try:
                self.codec(step)
            except NotStorable as error:
                raise DeclaredWrong(f"Step {step!r} of pipeline {self.name!r}: {error}") from None
        for hook in self.hooks.values():
            hook.require_complete()
        try:
            self.params.model_rebuild()  # its annotations may name what was declared later
            jsontext.dumps([self.description, self.schema()])
        except Exception as error:  # noqa: BLE001  (annotations and defaults are anybody's code)
            raise DeclaredWrong(f"{self}: no JSON Schema can be made of its params: {one_line(error)}") from None
        if hides(self.schema()):
            raise DeclaredWrong(
                f"{self}: its params have a secret, and all that is stored of them is shown. Give the job its name, "
                "and let the step look it up."
            )
        if left_out := [name for name, each in self.params.model_fields.items() if each.exclude]:
            raise DeclaredWrong(f"{self}: its params exclude {', '.join(left_out)}, so that no step would be given it.")
        self.scheduled_params()

    def schema(self) -> dict[str, Any]:
        """The JSON Schema of its parameters."""
        return self.params.model_json_schema()

    def params_digest(self) -> str:
        """Tells apart, as far as can be told, releases that take other parameters: by schema and source.

        A hint for people. Whether parameters fit is only known by `accept`.
        """
        parts = [*(each for each in self.params.__mro__ if issubclass(each, Params)), self.upgrade]
        text = jsontext.dumps([self.schema(), *map(source, parts)])
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @cached_property
    def runs_own_code(self) -> bool:
        """Whether to check its parameters is to call somebody's functions, which may take their time."""
        return runs_own_code(self.params)

    def stored(self, params: Params) -> dict[str, Any]:
        """The parameters of a new job as JSON, from which a worker can read the same. Raises `Refused`."""
        found = written(params)
        try:
            again = written(read_params(self.params, found))
        except Exception as error:
            raise Refused(f"What is stored of them cannot be read again: {_first(error)}") from error
        if again != found:
            raise Refused("What is stored of them is read as something else.")
        # A body is no deeper; what `enqueue` is given may be, what a schedule declares, and what validators make.
        if jsontext.deeper_than(jsontext.MAX_DEPTH, found):
            raise Refused(f"They are nested deeper than the {jsontext.MAX_DEPTH} levels that are allowed here.")
        return found

    def accept(self, params: dict[str, Any]) -> Params:
        """The parameters of a job, perhaps of an older release, as this one's model. Raises `Refused`.

        `params` stay as they are, whatever validators and `upgrade` do.
        """
        where = ""
        try:
            try:
                return self._read(params)
            except ValidationError:
                if self.upgrade is None:
                    raise
                where = "upgrade: "
                upgraded = self.upgrade(copy.deepcopy(params))
            where = ""
            return self._read(upgraded)
        except ValidationError as error:
            raise Refused(f"{where}{_first(error)}") from error
        except BaseException as error:  # whatever the pipeline's own code raises, `sys.exit()` too
            raise Refused(f"{where}{one_line(error)}") from error

    def _read(self, params: Any) -> Params:
        try:
            jsontext.dumps(params)
        except ValueError:  # `upgrade` may make whatever it likes
            return self.params.model_validate(copy.deepcopy(params))
        return read_params(self.params, params)


def _first(error: BaseException) -> str:
    """What is wrong, in one line: of several things the first."""
    if not isinstance(error, ValidationError):
        return one_line(error)
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc'])) or 'params'}: {said(first)}"
