"""Claims jobs, and runs their steps one after the other. Needs no Celery: `work` can be called from any process.

No step runs inside a transaction. Between steps there is one statement, which ends the one and begins the next; and
between jobs, too.
"""

import logging
import random
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple, TypeVar
from uuid import uuid4

from psycopg2.errors import UniqueViolation
from sqlalchemy import Connection

from background import database, jsontext, log_context
from background.errors import Unavailable
from background.jobs import registry, states, transitions, turned_away
from background.jobs.deadline import Deadline
from background.jobs.pipeline import Cancelled, NoRetry, NotOurs, Params, Pipeline, Refused, StepContext, TimedOut
from background.jobs.states import EventKind, JobStatus
from background.jobs.together import Together
from background.settings import get_settings
from background.workers import queries as workers

logger = logging.getLogger(__name__)

TURN_SECONDS = 0.1
"""After so long whoever claims lets other messages of its queue have their turn."""
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
    """Run a repeatable statement, until PostgreSQL answers.

    Waits 0.1 s, doubling up to 5 s, between attempts: the work is done, so writing it down is worth the wait.
    """
    pause = 0.1
    while True:
        try:
            with database.working() as connection:
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
    reported_at: float = field(default_factory=time.monotonic)
    told_at: float | None = None
    deadline: Deadline | None = None

    @classmethod
    def from_claim(cls, row: Mapping[str, Any], pipeline: Pipeline, params: Params) -> "Attempt":
        """The attempt that a claim has begun, with the parameters that this release has accepted."""
        return cls(
            job_id=row["id"],
            task_id=row["task_id"],
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

    @property
    def is_last_step(self) -> bool:
        """Whether its end is likely to be that of the job."""
        return all(name in self.outputs for name in self.step_names[self.step :])

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
            return transitions.progress(
                connection, job_id=self.job_id, attempt=self.number, fraction=fraction, message=text, tell=tell
            )

        if self._ask(write) and tell:
            self.told_at = time.monotonic()

    def watch(self) -> None:
        """Look for a cancel, at most every `REPORT_SECONDS`."""
        self._ask(lambda connection: transitions.cancel_asked(connection, job_id=self.job_id, attempt=self.number))

    def _ask(self, statement: Callable[[Connection], bool | None]) -> bool:
        """Whether PostgreSQL has answered."""
        if self.deadline is not None:
            self.deadline.check()
        if time.monotonic() - self.reported_at < REPORT_SECONDS:
            return False
        self.reported_at = time.monotonic()
        try:
            with database.working(seconds=1) as connection:
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

    def ended(self, output: str) -> transitions.End:
        """The step that has just returned this."""
        return transitions.End(self.job_id, self.number, self.step, output)

    def go_on(self, row: Mapping[str, Any] | None) -> bool:
        """Take in how the job stands after a step; gives whether there is another one for us to run."""
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
            lambda connection: transitions.stop(
                connection,
                job_id=self.job_id,
                attempt=self.number,
                status=status,
                kind=kind,
                message=message,
                **more,
            )
        )


class Wish(NamedTuple):
    """What a slot wants to be written; `peek`: and to know whether jobs wait then."""

    end: transitions.End | None
    claim: transitions.Claim | None
    peek: bool


class Granted(NamedTuple):
    """What became of a wish: how the ended job stands, and the claimed one (see `transitions.work`).

    Or one that is `offered`, which the slot is to look at before it claims it; or whether to ask `again`. `more`:
    how many others wait, if it was asked.
    """

    ended: Mapping[str, Any] | None
    claimed: Mapping[str, Any] | None
    offered: Mapping[str, Any] | None
    again: bool
    more: int


class Desk:
    """Where the slots of a process have their transitions written.

    Nothing that is stored tells whether this release takes a job's parameters: only trying does. Those of a pipeline
    are tried before a job is claimed, until it is `trusted`, because it has taken all so far; after that its jobs are
    claimed at once, and handed back where it does not.
    """

    def __init__(self, worker: transitions.Worker) -> None:
        self.worker = worker
        self.write = Together(self._write)
        self._trusted: set[str] = set()
        self._doubted: set[str] = set()

    def trust(self, pipeline: str) -> None:
        """It has taken a job's parameters."""
        if pipeline not in self._doubted:
            self._trusted.add(pipeline)

    def doubt(self, pipeline: str) -> None:
        """It has refused a job's parameters."""
        self._doubted.add(pipeline)
        self._trusted.discard(pipeline)

    def claim_seen(self, claim: transitions.Claim) -> Mapping[str, Any] | None:
        """As `transitions.work` gives it, unless it has changed or is somebody else's."""
        return next((row for row in self._work([], [claim], peek=False) if row["what"] == "claimed"), None)

    def _write(self, wishes: Sequence[Wish]) -> list[Granted]:
        ends = [wish.end for wish in wishes if wish.end]
        claims = [wish.claim for wish in wishes if wish.claim]
        rows = self._work(ends, claims, peek=any(wish.peek for wish in wishes))
        ended = {row["id"]: row for row in rows if row["what"] == "ended"}
        claimed = {row["token"]: row for row in rows if row["what"] == "claimed"}
        offered = iter([row for row in rows if row["what"] == "offered"])
        again, more = any(row["what"] == "lacking" for row in rows), max((row["more"] or 0 for row in rows), default=0)
        granted = []
        for wish in wishes:
            found = claimed.get(wish.claim.token) if wish.claim else None
            offer = next(offered, None) if wish.claim and found is None else None
            granted.append(Granted(ended.get(wish.end.job_id) if wish.end else None, found, offer, again, more))
        return granted

    def _work(
        self, ends: Sequence[transitions.End], claims: Sequence[transitions.Claim], *, peek: bool
    ) -> list[dict[str, Any]]:
        """As `transitions.work`, until it is done. What was claimed though its answer was lost is found again."""
        held: dict[str, dict[str, Any]] = {}
        asked = False

        def statement(connection: Connection) -> list[dict[str, Any]]:
            nonlocal asked
            if asked:
                tokens = [each.token for each in claims]
                found = transitions.held(connection, tokens, time_limit=self.worker.time_limit)
                held.update({row["token"]: {"what": "claimed", **row} for row in found})
            asked = True
            wanted = [each for each in claims if each.token not in held]
            try:
                return transitions.work(
                    connection, self.worker, ends=ends, claims=wanted, trusted=self._trusted, peek=peek
                )
            except UniqueViolation:
                raise Unavailable("A claim is being carried out whose answer was lost.") from None

        return persist(statement) + list(held.values())


@dataclass
class Slot:
    """One of a worker's slots: it has one job at a time.

    `wake_up` is the id of the message that woke it. Once the worker is `stopping`, nothing new is claimed; `stopped` is
    asked when a step has failed, maybe of that, which is then held against nobody.
    """

    desk: Desk
    wake_up: str
    stopping: Callable[[], bool] = lambda: False
    stopped: Callable[[], bool] = lambda: False
    turn_ends_at: float = field(default_factory=lambda: time.monotonic() + TURN_SECONDS)
    more: int = 1
    """How many other jobs waited when it last looked."""

    def claim(self, *, peek: bool = False) -> Attempt | None:
        """Make a due job this worker's, whose parameters it takes; `None` when there is none."""
        attempt, again = self._taken(self._granted(Wish(None, self._wanted(), peek)))
        while again and self._goes_on:
            attempt, again = self._taken(self._granted(Wish(None, self._wanted(), peek)))
        return attempt

    def end(self, attempt: Attempt, output: str) -> tuple[bool, Attempt | None]:
        """Write that the attempt's step has ended; gives whether there is another one, or else the next attempt."""
        wanted = self._wanted() if attempt.is_last_step and self._goes_on else None
        granted = self._granted(Wish(attempt.ended(output), wanted, peek=attempt.is_last_step and wanted is None))
        if attempt.go_on(granted.ended):
            return True, None
        following, again = self._taken(granted) if wanted else (None, True)
        return False, self.claim() if again and self._goes_on else following

    def after_all(self) -> Attempt | None:
        """The next attempt when one has not come to its end."""
        return self.claim() if self._goes_on else None

    @property
    def _goes_on(self) -> bool:
        return not self.stopping() and time.monotonic() < self.turn_ends_at

    def _wanted(self) -> transitions.Claim:
        return transitions.Claim(str(uuid4()), self.wake_up)

    def _granted(self, wish: Wish) -> Granted:
        granted: Granted = self.desk.write(wish)
        if wish.peek or (wish.claim and granted.claimed is None):
            self.more = granted.more
        return granted

    def _taken(self, granted: Granted) -> tuple[Attempt | None, bool]:
        """The attempt that comes of this, and whether to ask again."""
        if granted.claimed is not None:
            attempt = self._begun(granted.claimed)
        elif granted.offered is not None:
            attempt = self._take(granted.offered)
        else:
            return None, granted.again
        return attempt, attempt is None

    def _take(self, row: Mapping[str, Any]) -> Attempt | None:
        """Try its parameters, then claim it, if nothing has happened to it since; or let it wait for others."""
        try:
            pipeline, params = _accepted(row)
        except Refused as error:
            self.desk.doubt(row["pipeline"])
            persist(partial(turned_away.turn_away, job_id=row["id"], **_refusal(error)))
            return None
        self.desk.trust(pipeline.name)
        seen = (row["id"], row["seen"])
        claimed = self.desk.claim_seen(transitions.Claim(str(uuid4()), self.wake_up, seen))
        return None if claimed is None else Attempt.from_claim(claimed, pipeline, params)

    def _begun(self, row: Mapping[str, Any]) -> Attempt | None:
        """The attempt that this claim has begun; `None` when it has ended with that."""
        own = {"job_id": row["id"], "attempt": row["attempt"]}
        if row["step_failures"] is None:  # its step was completed just then
            message, kind = "Handed back: it had changed", EventKind.HANDED_BACK
            persist(partial(transitions.stop, status=JobStatus.PENDING, kind=kind, message=message, **own))
            return None
        try:
            return Attempt.from_claim(row, *_accepted(row))
        except Refused as error:
            self.desk.doubt(row["pipeline"])
            persist(partial(transitions.refuse, **_refusal(error), **own))
            return None


def _accepted(row: Mapping[str, Any]) -> tuple[Pipeline, Params]:
    """The pipeline of a job, and its `params` as that takes them. Raises `Refused`."""
    pipeline = registry.pipelines()[row["pipeline"]]
    with Deadline(ACCEPT_SECONDS, what="Looking at the params"):
        return pipeline, pipeline.accept(row["params"])


def _refusal(error: Refused) -> dict[str, Any]:
    """What is remembered of it, as `transitions.refuse` and `turned_away.turn_away` take it."""
    message = stored(str(error), MESSAGE_CHARACTERS)
    logger.info("It waits for a worker that takes its params. %s", message)
    live = persist(partial(workers.crews, patience=get_settings().lease_seconds))
    refusing = next((crew.id for crew in live if crew.release == registry.release()), None)
    return {"error": message, "crews": [crew.id for crew in live], "refusing": refusing}


def work(slot: Slot, *, first: Callable[[], object] = lambda: None) -> int:
    """Run jobs in this slot, one after the other, until none is due, or its turn is over; gives how many wait.

    `first` is called when it has its first job, and others wait.
    """
    attempt = slot.claim(peek=True)
    if attempt is not None and slot.more:
        first()
    while attempt is not None:
        with log_context.bound(
            job_id=attempt.job_id, attempt=attempt.number, step=attempt.step, task_id=attempt.task_id
        ):
            attempt = _run(attempt, slot)
    return slot.more


def _run(attempt: Attempt, slot: Slot) -> Attempt | None:
    """Run the steps of this attempt; gives the next one."""
    logger.info("Job %s attempt %s begins at step %s.", attempt.job_id, attempt.number, attempt.step)
    try:
        goes_on, following = slot.end(attempt, attempt.run_step())
        while goes_on:
            goes_on, following = slot.end(attempt, attempt.run_step())
    except NotOurs:
        logger.info("Job %s attempt %s is no longer ours.", attempt.job_id, attempt.number)
    except Cancelled:
        attempt.cancel()
    except BaseException as error:  # noqa: BLE001  (whatever a step raises is its failure, `sys.exit()` too)
        if slot.stopped() and not isinstance(error, NoRetry | TimedOut):
            attempt.hand_back(error)
        else:
            attempt.fail(error)
    else:
        return following
    return slot.after_all()
