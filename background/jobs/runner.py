"""Runs a job's steps one after the other. Needs no Celery: `run` can be called from any process.

No step runs inside a transaction. Between steps there is one statement, which ends the one and begins the next.
"""

import json
import logging
import random
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import uuid4

from sqlalchemy import Connection, RowMapping

from background import database, jsontext, log_context
from background.errors import Unavailable
from background.jobs import queries, registry, states, turned_away
from background.jobs.deadline import Deadline
from background.jobs.pipeline import Cancelled, NoRetry, NotOurs, Params, Pipeline, Refused, StepContext, TimedOut
from background.jobs.states import EventKind, JobStatus
from background.settings import get_settings
from background.workers import queries as workers

logger = logging.getLogger(__name__)

ACCEPT_SECONDS = 10.0
"""How long validators and `upgrade` may take."""
REPORT_SECONDS = 0.5
TELL_SECONDS = 5.0
"""At most so often is a step's progress an event of its job, too; the first time at once."""
TRACEBACK_LINES = 30
MESSAGE_CHARACTERS = 4_000
TRACEBACK_CHARACTERS = 16_000
Answer = TypeVar("Answer")


def persist(statement: Callable[[Connection], Answer]) -> Answer:
    """Run a repeatable statement in a transaction of its own, until PostgreSQL answers.

    Waits 0.1 s, doubling up to 5 s, between attempts: the work is done, so writing it down is worth the wait.
    """
    pause = 0.1
    while True:
        try:
            with database.transaction() as connection:
                return statement(connection)
        except Unavailable as error:
            logger.warning("%s Trying again in %.1f s.", error, pause)
            time.sleep(pause)
            pause = min(pause * 2, 5)


def stored(text: str, limit: int, *, from_end: bool = False) -> str:
    """A text as it is kept: of one over `limit` characters the beginning, or the end, and how much is left out."""
    text = jsontext.clean_text(text)
    if len(text) <= limit:
        return text
    missing = f"[{len(text) - limit} characters left out]"
    return f"{missing} …{text[-limit:]}" if from_end else f"{text[:limit]}… {missing}"


@dataclass
class Attempt:
    """One claim on a job: what it knows and how it reports. All its writes carry its number, the fence."""

    job_id: int
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
    reported_at: float = field(default_factory=time.monotonic)
    told_at: float | None = None
    deadline: Deadline | None = None

    @classmethod
    def from_claim(cls, row: RowMapping, pipeline: Pipeline, params: Params) -> "Attempt":
        """The attempt that a claim has begun, with the parameters that this release has accepted."""
        return cls(
            job_id=row["id"],
            number=row["attempt"],
            failures=row["failures"],
            max_attempts=row["max_attempts"],
            pipeline=pipeline,
            params=params,
            step_names=row["step_names"],
            step_keys=row["step_keys"] or {},
            step=row["current_step"],
            step_failures=row["step_failures"],
            step_seconds=row["step_seconds"],
            outputs=row["outputs"],
        )

    @property
    def step_name(self) -> str:
        """What the running step is called by."""
        return self.step_names[self.step - 1]

    def context(self) -> StepContext:
        """What the step to be run is told."""
        return StepContext(
            job_id=self.job_id,
            step_number=self.step,
            key_number=self.step_keys.get(self.step_name, self.step),
            attempt=self.number,
            failures=self.step_failures,
            outputs=self.outputs,
            report=self.report,
            watch=self.watch,
        )

    def report(self, fraction: float, message: str | None) -> None:
        """Write progress, at most every `REPORT_SECONDS`; a report that PostgreSQL misses is no loss."""
        text = None if message is None else stored(message, MESSAGE_CHARACTERS)
        tell = self.told_at is None or time.monotonic() - self.told_at >= TELL_SECONDS

        def write(connection: Connection) -> bool | None:
            return queries.progress(
                connection, job_id=self.job_id, attempt=self.number, fraction=fraction, message=text, tell=tell
            )

        if self._ask(write) and tell:
            self.told_at = time.monotonic()

    def watch(self) -> None:
        """Look for a cancel, at most every `REPORT_SECONDS`."""
        self._ask(lambda connection: queries.cancel_asked(connection, job_id=self.job_id, attempt=self.number))

    def _ask(self, statement: Callable[[Connection], bool | None]) -> bool:
        """Whether PostgreSQL has answered."""
        if self.deadline is not None:
            self.deadline.check()
        if time.monotonic() - self.reported_at < REPORT_SECONDS:
            return False
        self.reported_at = time.monotonic()
        try:
            with database.transaction(seconds=1) as connection:
                cancel = statement(connection)
        except Unavailable:
            return False
        if cancel is None:
            raise NotOurs
        if cancel:
            raise Cancelled
        return True

    def run_step(self) -> str:
        """Call the step's function; gives its output as JSON text."""
        function = self.pipeline.steps[self.step_name]
        # What a step changes in its parameters must not reach the next one, which may run elsewhere.
        params = self.params.model_copy(deep=True)
        with Deadline(self.step_seconds, what=f"Step {self.step}") as self.deadline:
            output = function(self.context(), params)
        try:
            text = jsontext.dumps(output)
        except ValueError as error:
            raise NoRetry(f"What the step returned cannot be stored. {error}") from None
        size, limit = len(text.encode()), get_settings().max_output_bytes
        if size > limit:
            raise NoRetry(f"The step returned {size} bytes as JSON; MAX_OUTPUT_BYTES allows {limit}.")
        self.outputs[self.step_name] = output
        return text

    def advance(self, output: str) -> bool:
        """Write the step's end, which begins the next; gives whether there is one for us to run."""
        step = self.step
        row = persist(
            lambda connection: queries.finish_step(
                connection,
                job_id=self.job_id,
                attempt=self.number,
                step=step,
                output=output,
                time_limit=get_settings().job_time_limit,
                abilities=json.dumps(registry.abilities()),
            )
        )
        if row is None or row["status"] != JobStatus.IN_PROGRESS:
            logger.info("Job %s attempt %s: %s", self.job_id, self.number, row["status"] if row else "no longer ours")
            return False
        self.step, self.step_failures = row["current_step"], row["step_failures"]
        log_context.bind(step=self.step)
        self.step_seconds = row["step_seconds"]
        self.reported_at, self.told_at = time.monotonic(), None
        return True

    def fail(self, error: BaseException) -> None:
        """Write that the step has failed; whether the job gets another attempt is decided in `states`."""
        lines = "".join(traceback.format_exception(error)).splitlines()[-TRACEBACK_LINES:]
        decision = states.after_error(
            failures=self.failures + 1,
            max_attempts=self.max_attempts,
            retryable=not isinstance(error, NoRetry),
            jitter=random.random(),  # noqa: S311  (nothing secret)
        )
        message = stored(": ".join(filter(None, (type(error).__name__, str(error)))), MESSAGE_CHARACTERS)
        logger.warning("Job %s step %s failed: %s", self.job_id, self.step, message)
        self._stop(
            decision.status,
            EventKind.STEP_FAILED,
            message,
            delay=decision.delay,
            error=stored("\n".join(lines), TRACEBACK_CHARACTERS, from_end=True),
            failed=True,
        )

    def hand_back(self, error: BaseException) -> None:
        """Give the job back without a failure: whatever stops this worker may have stopped what the step relied on."""
        logger.warning("Job %s step %s failed while its worker was stopped: %r", self.job_id, self.step, error)
        self._stop(JobStatus.PENDING, EventKind.HANDED_BACK, "Handed back: the worker was stopped")

    def cancel(self) -> None:
        """Write that the job was cancelled in the middle of its step."""
        self._stop(JobStatus.CANCELLED, EventKind.CANCELLED, "Cancelled during the step")

    def _stop(self, status: JobStatus, kind: EventKind, message: str, **more: Any) -> None:
        persist(
            lambda connection: queries.stop(
                connection,
                job_id=self.job_id,
                attempt=self.number,
                status=status,
                kind=kind,
                message=message,
                **more,
            )
        )


def claim(job_id: int, *, worker: str, worker_id: str) -> Attempt | None:
    """Make the job this worker's. `None` when it is not there, not due, ended, somebody else's, or turned away.

    Nothing that is stored tells whether this release takes the job's parameters: they are tried, here, before it counts
    as an attempt.
    """
    row = persist(lambda connection: turned_away.look(connection, job_id))
    if row is None:
        return None
    pipeline = registry.pipelines().get(row["pipeline"])
    if pipeline is None or row["step"] not in pipeline.steps:
        _turn_away(job_id)
        return None
    try:
        with Deadline(ACCEPT_SECONDS, what="Looking at the params"):
            params = pipeline.accept(row["params"])
    except Refused as error:
        _turn_away(job_id, error=stored(str(error), MESSAGE_CHARACTERS))
        return None
    claimed = _claim(job_id, worker, worker_id, seen=row["seen"])
    return None if claimed is None else Attempt.from_claim(claimed, pipeline, params)


def _claim(job_id: int, worker: str, worker_id: str, *, seen: int) -> RowMapping | None:
    token = str(uuid4())
    while True:
        row = persist(
            lambda connection: queries.claim(
                connection,
                job_id=job_id,
                token=token,
                worker=worker,
                worker_id=worker_id,
                lease=get_settings().lease_seconds,
                time_limit=get_settings().job_time_limit,
                seen=seen,
            )
        )
        if row is None or row["step_failures"] is not None:
            return row


def _turn_away(job_id: int, *, error: str | None = None) -> None:
    """Let the job wait for a worker that can run it; with an `error` this one's whole crew refuses its parameters."""
    logger.info("Job %s waits for a worker that can run it. %s", job_id, error or "")

    def write(connection: Connection) -> None:
        crews = workers.crews(connection, patience=get_settings().lease_seconds)
        ours = next((crew.id for crew in crews if error and crew.release == registry.release()), None)
        turned_away.turn_away(connection, job_id=job_id, error=error, crews=[crew.id for crew in crews], refusing=ours)

    persist(write)


def run(job_id: int, *, worker: str, worker_id: str, stopping: Callable[[], bool] = lambda: False) -> None:
    """Claim the job and run its steps until it ends, fails, or is somebody else's.

    `worker` is the name people see; `worker_id` is a UUID that is new at each start of a worker; `stopping` says
    whether the worker is being stopped, so that a step's error is held against nobody.
    """
    with log_context.bound(job_id=job_id):
        attempt = claim(job_id, worker=worker, worker_id=worker_id)
        if attempt is None:
            logger.info("Job %s: nothing to claim.", job_id)
        else:
            _run(attempt, stopping)


def _run(attempt: Attempt, stopping: Callable[[], bool]) -> None:
    log_context.bind(attempt=attempt.number, step=attempt.step)
    logger.info("Job %s attempt %s begins at step %s.", attempt.job_id, attempt.number, attempt.step)
    try:
        while attempt.advance(attempt.run_step()):
            pass
    except NotOurs:
        logger.info("Job %s attempt %s is no longer ours.", attempt.job_id, attempt.number)
    except Cancelled:
        attempt.cancel()
    except BaseException as error:  # noqa: BLE001  (whatever a step raises is its failure, `sys.exit()` too)
        if stopping() and not isinstance(error, NoRetry | TimedOut):
            attempt.hand_back(error)
        else:
            attempt.fail(error)
