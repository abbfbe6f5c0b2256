"""One attempt at a job: runs its steps' functions, and reports what comes of them."""

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Connection

from background.base import forks, jsontext, log_context
from background.base.errors import Unavailable
from background.jobs import event_loop, states, step_logs
from background.jobs.causes import Cause, CauseCode
from background.jobs.deadline import Deadline
from background.jobs.effects import Effects
from background.jobs.limits import Lane
from background.jobs.outputs import NotStorable, Outputs
from background.jobs.pipeline import (
    Cancelled,
    NoRetry,
    NotOurs,
    Params,
    Pipeline,
    StepContext,
    TimedOut,
)
from background.jobs.policy import Policy
from background.jobs.sql import transitions
from background.jobs.sql.work import Claimed, End, Ended
from background.jobs.states import JobStatus
from background.settings import get_settings
from background.storage import pools

logger = logging.getLogger(__name__)

REPORT_SECONDS = 0.5
TELL_SECONDS = 5.0
"""At most so often is a step's progress an event of its job, too; the first time at once."""
LEAVE_SECONDS = 1.0
"""How long an async step that is stopped has to end by itself; then nobody waits for it any more."""
MESSAGE_CHARACTERS = 4_000
Answer = TypeVar("Answer")


def persist(statement: Callable[[Connection], Answer]) -> Answer:
    """Run a repeatable statement, until PostgreSQL answers.

    Waits 0.1 s, doubling up to 5 s, between attempts: the work is done, so writing it down is worth the wait.
    """
    pause = 0.1
    while True:
        try:
            with pools.working() as connection:
                return statement(connection)
        except Unavailable as error:
            logger.warning("%s Trying again in %.1f s.", error, pause)
            time.sleep(pause)
            pause = min(pause * 2, 5)


def shortened(text: str, limit: int, *, from_end: bool = False) -> str:
    """A text as it is kept: of one over `limit` characters the beginning, or the end, and how much is left out."""
    text = jsontext.clean_text(text)
    if len(text) <= limit:
        return text
    missing = f"[{len(text) - limit} characters left out]"
    return f"{missing} …{text[-limit:]}" if from_end else f"{text[:limit]}… {missing}"


class Report(NamedTuple):
    """How far a step says that it is."""

    fraction: float
    message: str | None


@dataclass(eq=False)
class Attempt:
    """One claim on a job: what it knows and how it reports. All its writes carry its `token`, the fence.

    With a `lane`, others wait there for its end.
    """

    job_id: int
    token: str
    task_id: str
    number: int
    failures: int
    max_attempts: int
    pipeline: Pipeline
    params: Params
    step_names: list[str]
    step_keys: dict[str, int]
    step: int
    step_failures: int
    step_seconds: float
    outputs: dict[str, Any]
    lane: Lane | None
    request_id: str | None = None
    reported_at: float = field(default_factory=time.monotonic)
    told_at: float | None = None
    deadline: Deadline | None = None
    lines: step_logs.Lines = field(init=False)
    reported: Report | None = None
    """What an async step has reported, and nobody has written yet."""
    stop: "asyncio.Future[BaseException] | None" = None
    """Why an async step is to stop, once it is."""
    running: int | None = None
    """The step whose function is being called."""
    is_lost: bool = False
    """Whether its job was handed back while it could not be told."""

    def __post_init__(self) -> None:
        self.lines = step_logs.Lines(self.job_id, self.number)

    @classmethod
    def from_claim(cls, claimed: Claimed, pipeline: Pipeline, params: Params) -> "Attempt":
        """The attempt that a claim has begun, with the parameters that this release has accepted."""
        return cls(
            job_id=claimed.id,
            token=claimed.token,
            task_id=claimed.task_id,
            number=claimed.attempt,
            failures=claimed.failures,
            max_attempts=claimed.max_attempts,
            pipeline=pipeline,
            params=params,
            step_names=claimed.step_names,
            step_keys=claimed.step_keys or {},
            step=claimed.current_step,
            step_failures=claimed.step_failures or 0,
            step_seconds=claimed.step_seconds,
            outputs=claimed.outputs,
            lane=None if claimed.lane is None else Lane(*claimed.lane),
            request_id=claimed.request_id,
        )

    @property
    def log_ids(self) -> dict[str, int | str]:
        """What stands on each line of the log that has to do with it."""
        made_for = {} if self.request_id is None else {"request_id": self.request_id}
        return {**made_for, "job_id": self.job_id, "attempt": self.number, "step": self.step, "task_id": self.task_id}

    @property
    def step_name(self) -> str:
        """What the running step is called by."""
        return self.step_names[self.step - 1]

    @property
    def is_last_step(self) -> bool:
        """Whether its end is likely to be that of the job."""
        return all(name in self.outputs for name in self.step_names[self.step :])

    @property
    def policy(self) -> Policy:
        """What the step declares of its failures."""
        return self.pipeline.policy(self.step_name)

    @property
    def is_async(self) -> bool:
        """Whether the step to be run is."""
        return self.pipeline.is_async(self.step_name)

    @property
    def goes_on_async(self) -> bool:
        """Whether the step after it, if there is one, is likely to be."""
        following = next((name for name in self.step_names[self.step :] if name not in self.outputs), None)
        return following is None or self.pipeline.is_async(following)

    def context(self) -> StepContext:
        """What the step to be run is told."""
        is_async = self.is_async
        return StepContext(
            job_id=self.job_id,
            step_number=self.step,
            key_number=self.step_keys.get(self.step_name, self.step),
            attempt=self.number,
            failures=self.step_failures,
            outputs=Outputs(self.outputs, self.pipeline.codec),
            report=partial(self._while_running, self.step, self.note if is_async else self.report),
            watch=partial(self._while_running, self.step, self.look if is_async else self.watch),
            is_async=is_async,
            effects=self._effects(),
            write_line=partial(step_logs.log, self.lines, self.step),
        )

    def _while_running(self, step: int, function: Callable[..., None], *args: Any) -> None:
        """Call it for a step that runs. A thread or a task that has outlived its step would report for the next one."""
        if self.running != step:
            raise NotOurs
        function(*args)

    def _effects(self) -> Effects:
        return Effects(self.job_id, self.token, self.step_name, persist, NotOurs)

    def note(self, fraction: float, message: str | None) -> None:
        """Keep what an async step reports, for `event_loop` to write: whoever waits here holds up all others."""
        self.look()
        self.reported = Report(fraction, message)

    def look(self) -> None:
        """Raise for an async step why it is to stop, if it is."""
        if self.stop is not None and self.stop.done():
            raise self.stop.result()

    def report(self, fraction: float, message: str | None) -> None:
        """Write progress, at most every `REPORT_SECONDS`; a report that PostgreSQL misses is no loss."""
        text = None if message is None else shortened(message, MESSAGE_CHARACTERS)
        tell = self.told_at is None or time.monotonic() - self.told_at >= TELL_SECONDS

        def write(connection: Connection) -> bool | None:
            return transitions.progress(
                connection, job_id=self.job_id, token=self.token, fraction=fraction, message=text, tell=tell
            )

        if self._ask(write) and tell:
            self.told_at = time.monotonic()

    def watch(self) -> None:
        """Look for a cancel, at most every `REPORT_SECONDS`."""
        self._ask(lambda connection: transitions.cancel_asked(connection, job_id=self.job_id, token=self.token))

    def _ask(self, statement: Callable[[Connection], bool | None]) -> bool:
        """Whether PostgreSQL has answered."""
        if self.deadline is not None:
            self.deadline.check()
        if time.monotonic() - self.reported_at < REPORT_SECONDS:
            return False
        self.reported_at = time.monotonic()
        try:
            with pools.working(seconds=1) as connection:
                cancel = statement(connection)
        except Unavailable:
            return False
        if cancel is None:
            raise NotOurs
        if cancel:
            raise Cancelled
        return True

    def run_step(self) -> str:
        """Call the step's function; gives its output as JSON text. One that is async is waited for."""
        if self.is_async:
            return event_loop.wait_for(self, self.run_async_step())
        try:
            with (
                Deadline(self.step_seconds, late=self.late) as self.deadline,
                step_logs.kept(self.lines, self.step),
            ):
                return self._stored(self._call())
        finally:
            self.running = None

    async def run_async_step(self) -> str:
        """Call the step's function, which is async; gives its output as JSON text."""
        if self.is_lost:
            raise NotOurs
        self.stop = asyncio.get_running_loop().create_future()
        self.reported = None
        with step_logs.kept(self.lines, self.step):
            task = asyncio.ensure_future(_shielded(self._call()))  # in a copy of this context
        with self._watched():
            try:
                either: set[asyncio.Future[Any]] = {task, self.stop}
                await asyncio.wait(either, timeout=self.step_seconds, return_when=asyncio.FIRST_COMPLETED)
                if not task.done():
                    # It may take no notice: then it goes on by itself, as a thread would.
                    task.cancel()
                    await asyncio.wait({task}, timeout=LEAVE_SECONDS)
                    raise self.stop.result() if self.stop.done() else TimedOut(self.late)
            finally:
                task.cancel()
                self.running = None
        if task.cancelled():
            raise RuntimeError("The step was cancelled by itself.")
        output, error = task.result()
        if error is not None:
            raise error
        return self._stored(output)

    def _watched(self) -> AbstractContextManager[None]:
        return event_loop.watched(self)

    @property
    def late(self) -> Cause:
        """What is said where its step takes longer than it may."""
        return Cause(CauseCode.TIMED_OUT, step=self.step, seconds=self.step_seconds)

    def is_blocking(self, where: str) -> None:
        """Say that the async step blocks its event loop at this place: in its own log, and in the worker's."""
        text = f"Step {self.step} blocks the event loop of its process, so that no async step there goes on:\n{where}"
        with log_context.bound(**self.log_ids):
            step_logs.log(self.lines, self.step, logging.WARNING, text.rstrip())

    def _call(self) -> Any:
        """Call the function. What it changes in its parameters must not reach the next, which may run elsewhere."""
        self.running = self.step
        with forks.kept_in():
            return self.pipeline.steps[self.step_name](self.context(), self.params.model_copy(deep=True))

    def _stored(self, output: Any) -> str:
        """The text of what the step has returned, which the later steps are given of it."""
        codec = self.pipeline.codec(self.step_name)
        try:
            text = jsontext.dumps(output) if codec is None else codec.dumps(output)
        except NotStorable as error:
            why = shortened(str(error), MESSAGE_CHARACTERS)
            raise NoRetry(Cause(CauseCode.OUTPUT_NOT_STORABLE, error=why)) from None
        size, limit = len(text.encode()), get_settings().max_output_bytes
        if size > limit:
            raise NoRetry(Cause(CauseCode.OUTPUT_TOO_LARGE, size=size, limit=limit))
        if jsontext.text_deeper_than(jsontext.MAX_DEPTH, text):
            raise NoRetry(Cause(CauseCode.OUTPUT_TOO_DEEP, limit=jsontext.MAX_DEPTH))
        self.outputs[self.step_name] = None if self.step == len(self.step_names) else json.loads(text)
        return text

    def ended(self, output: str, *, yields: bool = False) -> End:
        """The step that has just returned this."""
        return End(self.job_id, self.token, self.step, output, yields=yields)

    def go_on(self, ended: Ended | None) -> bool:
        """Take in how the job stands after a step; gives whether there is another one for us to run."""
        if ended is None or ended.status != JobStatus.IN_PROGRESS:
            logger.info("Job %s attempt %s: %s", self.job_id, self.number, ended.status if ended else "no longer ours")
            return False
        self.step, self.step_failures = ended.current_step, ended.step_failures or 0
        log_context.bind(step=self.step)
        self.step_seconds = ended.step_seconds
        self.reported_at, self.told_at = time.monotonic(), None
        return True

    def cancel_asked(self) -> bool | None:
        """Whether the job is to be cancelled; `None` when it is not ours any more."""
        return persist(partial(transitions.cancel_asked, job_id=self.job_id, token=self.token))

    def counts(self) -> transitions.Counts:
        """How often its step has failed and waited."""
        return persist(partial(transitions.counts, job_id=self.job_id, step=self.step))

    def end_as(self, outcome: states.Outcome) -> None:
        """Write that it has ended in the middle of its step."""
        persist(partial(transitions.stop, job_id=self.job_id, token=self.token, outcome=outcome))


async def _shielded(step: Awaitable[Any]) -> tuple[Any, BaseException | None]:
    """What a step returns, or raises: `sys.exit()` must not end the loop."""
    try:
        with forks.kept_in():
            return await step, None
    except asyncio.CancelledError:
        raise
    except BaseException as error:  # noqa: BLE001  (whatever a step raises is its failure)
        return None, error
