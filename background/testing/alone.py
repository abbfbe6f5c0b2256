"""A pipeline run to its end in the process of a test, without any server, and without waiting.

Steps are called, and their ends decided, by the code that workers use; only what would be written to PostgreSQL is kept
in a `Run`. Pauses between attempts, `RetryLater` and `context.sleep` take no time: they are added to `Run.seconds`.
"""

import asyncio
import json
import math
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import uuid4

from pydantic import BaseModel, ValidationError

from background.base.errors import Invalid
from background.jobs import checks, event_loop, states, step_logs
from background.jobs.attempt import Attempt
from background.jobs.context import StepContext, require_seconds
from background.jobs.effects import Effects
from background.jobs.pipeline import Cancelled, NotOurs, Params, Pipeline, TimedOut
from background.jobs.schemas import JobRequest
from background.jobs.settling import settle
from background.jobs.sql.effects import Effect
from background.jobs.sql.transitions import Counts
from background.jobs.states import EventKind, JobStatus
from background.settings import get_settings
from background.testing.run import LogLine, Progress, Run

JOB_ID = 1
MOST_ATTEMPTS = 10_000
"""A run that has more is without end."""


def run_pipeline(
    pipeline: str | Pipeline,
    params: BaseModel | Mapping[str, Any] | None = None,
    *,
    max_attempts: int | None = None,
    cancel_after: float | None = None,
    lose: Sequence[str] = (),
) -> Run:
    """Run a job of this pipeline to its end; gives what became of it.

    It is cancelled `cancel_after` seconds of its time. For each name in `lose` the worker dies once at the end of that
    step, after its effects and before its record: the step is run again. Steps that are async, time-outs of steps that
    do not use `context.sleep`, and their own `time.sleep` take real time. Raises `Invalid` or `TooLarge` where `POST
    /jobs` refuses, and `ValueError` for a step that is none.
    """
    given = checks.in_json(params, where=("run",))
    named = pipeline.name if isinstance(pipeline, Pipeline) else pipeline
    limit = get_settings().max_attempts if max_attempts is None else max_attempts
    try:
        request = JobRequest(pipeline=named, params=given, max_attempts=limit)
    except ValidationError as error:
        raise Invalid.from_pydantic(error, where=("run",)) from None
    if isinstance(pipeline, Pipeline):
        pipeline.require_complete()
        found, as_json = pipeline, checks.checked(pipeline, given, where=("run", "params"))
    else:
        found, as_json = checks.resolve(request, where=("run",))
    if isinstance(lose, str) or not set(lose) <= set(found.steps):
        raise ValueError(f"lose names steps of {found}, in a list: {', '.join(found.steps)}; {lose!r} does not.")
    if cancel_after is not None and not 0 <= cancel_after < math.inf:
        raise ValueError(f"cancel_after takes seconds; {cancel_after!r} are none.")
    run = Run(found)
    job = _Job(run, found.accept(as_json), limit, cancel_after, Counter(lose))
    for _ in range(MOST_ATTEMPTS):
        job.attempt()
        if run.status in states.ENDED:
            return run
    raise RuntimeError(f"After {MOST_ATTEMPTS:,} attempts {found} has not ended.")


@dataclass
class _Job:
    run: Run
    params: Params
    max_attempts: int
    cancel_after: float | None
    lose: Counter[str]

    def is_cancelled(self) -> bool:
        """Whether that has been asked for by now."""
        return self.cancel_after is not None and self.run.seconds >= self.cancel_after

    def attempt(self) -> None:
        """Claim the job, and run its steps until it ends or is to be tried again."""
        run, names = self.run, [*self.run.pipeline.steps]
        if self.is_cancelled():
            self._end(JobStatus.CANCELLED, EventKind.CANCELLED)
            return
        run.attempts += 1
        run.status = JobStatus.IN_PROGRESS
        run.note(EventKind.STARTED, next(name for name in names if name not in run.stored))
        for number, name in enumerate(names, start=1):
            if name in run.stored:
                continue
            if self.is_cancelled():
                self._end(JobStatus.CANCELLED, EventKind.CANCELLED)
                return
            step = _Attempt.of(self, number)
            try:
                text = step.run_step()
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # noqa: BLE001  (whatever a step raises is its failure)
                settle(step, error, lambda: False)
                return
            if self.lose[name]:
                self.lose[name] -= 1
                limit = step.policy.limit(step.step_failures, failures=run.failures, max_attempts=self.max_attempts)
                self.stop(step, states.lost(silent=0, **limit))
                return
            run.stored[name] = json.loads(text)
            if number < len(names):
                run.note(EventKind.STEP_COMPLETED, name)
        run.error = None
        self._end(JobStatus.COMPLETED, EventKind.COMPLETED)

    def stop(self, step: "_Attempt", outcome: states.Outcome) -> None:
        """The attempt ends in the middle of its step."""
        run, name = self.run, step.step_name
        if outcome.is_failure:
            run.step_failures[name] += 1
            run.failures += not outcome.own
            run.error = outcome.message
        run.waits[name] += outcome.waits_for is not None
        is_last = outcome.status is JobStatus.FAILED
        run.note(EventKind.FAILED if is_last else outcome.kind, name, outcome.message)
        run.status = outcome.status
        pause = outcome.delay
        if outcome.status is JobStatus.PENDING and self.cancel_after is not None:
            pause = min(pause, max(0.0, self.cancel_after - run.seconds))
        run.seconds += pause

    def _end(self, status: JobStatus, kind: EventKind) -> None:
        self.run.status = status
        self.run.note(kind)


class _Lines(step_logs.Lines):
    """Kept in the run: nobody writes them."""

    def __init__(self, run: Run, attempt: int) -> None:
        super().__init__(JOB_ID, attempt)
        self._run = run

    def add(self, step: int, level: str, text: str) -> str:
        """Keep one more line."""
        self._run.logs.append(LogLine([*self._run.pipeline.steps][step - 1], level, text))
        return text


@dataclass(slots=True)
class _Remembered(Effects):
    """Recorded in the run."""

    run: Run | None = None

    def _find(self, name: str) -> Effect | None:
        known = self.run.effects if self.run else {}
        return Effect(known[self.step, name]) if (self.step, name) in known else None

    def _write(self, name: str, text: str) -> None:
        if self.run:
            self.run.effects[self.step, name] = json.loads(text)


@dataclass(frozen=True, kw_only=True)
class _Context(StepContext):
    """One whose `sleep` only moves the time of the run on."""

    pass_time: Any = None

    def sleep(self, seconds: float) -> None:
        """Let so many seconds have passed; stops in them where the step would be."""
        if self.is_async:
            super().sleep(seconds)
        require_seconds(seconds)
        self.pass_time(seconds)
        self.progress(1.0)


@dataclass(eq=False)
class _Attempt(Attempt):
    """An attempt whose writes go into a run."""

    job: _Job = field(kw_only=True)
    began: float = field(kw_only=True, default=0.0)

    @classmethod
    def of(cls, job: _Job, number: int) -> "_Attempt":
        """The attempt at this step of the job."""
        run, names = job.run, [*job.run.pipeline.steps]
        limit = get_settings().job_time_limit
        return cls(
            job_id=JOB_ID,
            token=str(uuid4()),
            task_id=str(uuid4()),
            number=run.attempts,
            failures=run.failures,
            max_attempts=job.max_attempts,
            pipeline=run.pipeline,
            params=job.params,
            step_names=names,
            step_keys={},
            lane=None,
            step=number,
            step_failures=run.step_failures[names[number - 1]],
            step_seconds=run.pipeline.timeouts.get(names[number - 1], limit),
            outputs=dict(run.stored),
            job=job,
            began=run.seconds,
        )

    def __post_init__(self) -> None:
        self.lines = _Lines(self.job.run, self.number)

    def context(self) -> StepContext:
        """What the step is told."""
        told = super().context()
        values = {name: getattr(told, name) for name in told.__dataclass_fields__}
        return _Context(**values, pass_time=self.pass_time)

    def pass_time(self, seconds: float) -> None:
        """Let time pass for the run, up to where the step times out or its job is cancelled."""
        run, job = self.job.run, self.job
        ends = run.seconds + seconds
        overdue = self.began + self.step_seconds
        cancelled = ends if job.cancel_after is None else max(job.cancel_after, run.seconds)
        run.seconds = min(ends, overdue, cancelled)
        if run.seconds == overdue < ends:
            raise TimedOut(self.late)
        self.watch()

    def report(self, fraction: float, message: str | None) -> None:
        """Keep it, and stop the step here if it is to be."""
        self.job.run.progress.append(Progress(self.step_name, fraction, message))
        self.watch()

    def watch(self) -> None:
        """Raise `Cancelled` once that is asked for."""
        if self.deadline is not None:
            self.deadline.check()
        if self.job.is_cancelled():
            raise Cancelled

    def run_step(self) -> str:
        """Call the step's function, an async one in a loop of its own; gives its output as JSON text."""
        began = time.monotonic()
        try:
            if not self.is_async:
                return super().run_step()
            # In a thread of its own: the test may be in a loop.
            with ThreadPoolExecutor(1) as alone:
                return alone.submit(copy_context().run, asyncio.run, self.run_async_step()).result()
        finally:
            self.job.run.seconds += time.monotonic() - began if self.is_async else 0

    @contextmanager
    def _watched(self) -> Iterator[None]:
        cancel = self.job.cancel_after
        left = None if cancel is None else max(0.0, cancel - self.job.run.seconds)
        timer = (
            None if left is None else asyncio.get_running_loop().call_later(left, event_loop.stop, [self], Cancelled())
        )
        try:
            yield
        finally:
            if timer is not None:
                timer.cancel()

    def _effects(self) -> Effects:
        return _Remembered(JOB_ID, self.token, self.step_name, partial(_no_server), NotOurs, self.job.run)

    def cancel_asked(self) -> bool:
        """As far as this job's time goes."""
        return self.job.is_cancelled()

    def counts(self) -> Counts:
        """As the run remembers them."""
        run = self.job.run
        return Counts(run.step_failures[self.step_name], run.waits[self.step_name])

    def end_as(self, outcome: states.Outcome) -> None:
        """The run remembers it."""
        self.job.stop(self, outcome)


def _no_server(statement: Any) -> Any:
    raise AssertionError(f"{statement} would be executed by a server.")
