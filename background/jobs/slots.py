"""How a worker's slots come to their jobs: they claim, and have what they want written together at one desk."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple
from uuid import uuid4

from psycopg2.errors import UniqueViolation
from sqlalchemy import Connection

from background.base.errors import Unavailable
from background.base.together import Together
from background.jobs import admission, registry, states
from background.jobs.attempt import MESSAGE_CHARACTERS, Attempt, persist, shortened
from background.jobs.crew import Crew
from background.jobs.deadline import Deadline
from background.jobs.pipeline import Params, Pipeline, Refused
from background.jobs.sql import transitions, turned_away, work
from background.jobs.sql.work import Claim, Claimed, End, Ended, Lacking, Offered, Worker, Written
from background.settings import get_settings
from background.workers import sql as workers

logger = logging.getLogger(__name__)

TURN_SECONDS = 0.1
"""Seconds after which whoever claims lets other messages of its queue have their turn."""
ACCEPT_SECONDS = 10.0
"""How long validators and `upgrade` may take."""
LOOKED_TOO_LONG = f"Looking at the params took longer than the {ACCEPT_SECONDS:g} s it may take."


class Wish(NamedTuple):
    """What a slot wants to be written; `peek`: and to know whether jobs wait then."""

    end: End | None
    claim: Claim | None
    peek: bool


class Granted(NamedTuple):
    """What became of a wish: how the ended job stands, and the claimed one (see `work.work`).

    Or one that is `offered`, which the slot is to look at before it claims it; or whether to ask `again`. `more`:
    how many others wait in each queue, if it was asked.
    """

    ended: Ended | None
    claimed: Claimed | None
    offered: Offered | None
    again: bool
    more: Mapping[str, int]


class Desk:
    """The one place of a process where its slots have their transitions written.

    Nothing that is stored tells whether this release takes a job's parameters: only trying does. Those of a pipeline
    are tried before a job is claimed, until it is `trusted`, because it has taken all so far; after that its jobs are
    claimed at once, and handed back where it does not.
    """

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.write = Together(self._write)
        self._trusted: set[str] = set()
        self._doubted: set[str] = set()

    def trust(self, pipeline: str) -> None:
        """Trust a pipeline that has taken a job's parameters."""
        if pipeline not in self._doubted:
            self._trusted.add(pipeline)

    def doubt(self, pipeline: str) -> None:
        """Trust a pipeline no more: it has refused a job's parameters."""
        self._doubted.add(pipeline)
        self._trusted.discard(pipeline)

    def end(self, end: End) -> Ended | None:
        """Have it written that a step has ended; gives how its job stands then."""
        granted: Granted = self.write(Wish(end, None, peek=False))
        return granted.ended

    def claim_seen(self, claim: Claim) -> Claimed | None:
        """Claim the one that it has seen, unless that has changed or is somebody else's."""
        return next((each for each in self._work([], [claim], peek=False) if isinstance(each, Claimed)), None)

    def _write(self, wishes: Sequence[Wish]) -> list[Granted]:
        ends = [wish.end for wish in wishes if wish.end]
        claims = [wish.claim for wish in wishes if wish.claim]
        written = self._work(ends, claims, peek=any(wish.peek for wish in wishes))
        ended = {each.id: each for each in written if isinstance(each, Ended)}
        claimed = {each.token: each for each in written if isinstance(each, Claimed)}
        offered = iter([each for each in written if isinstance(each, Offered)])
        again = any(isinstance(each, Lacking) for each in written)
        more = next((each.more for each in written if isinstance(each, Ended | Claimed) and each.more), {})
        granted = []
        for wish in wishes:
            found = claimed.get(wish.claim.token) if wish.claim else None
            offer = next(offered, None) if wish.claim and found is None else None
            granted.append(Granted(ended.get(wish.end.job_id) if wish.end else None, found, offer, again, more))
        return granted

    def _work(self, ends: Sequence[End], claims: Sequence[Claim], *, peek: bool) -> list[Written]:
        """Execute `work.work` until it is done. What was claimed though its answer was lost is found again."""
        held: dict[str, Claimed] = {}
        asked = False

        def statement(connection: Connection) -> list[Written]:
            nonlocal asked
            if asked:
                tokens = [each.token for each in claims]
                found = work.held(connection, tokens, time_limit=self.worker.time_limit)
                held.update({each.token: each for each in found})
            asked = True
            wanted = [each for each in claims if each.token not in held]
            try:
                return work.work(connection, self.worker, ends=ends, claims=wanted, trusted=self._trusted, peek=peek)
            except UniqueViolation:
                raise Unavailable("A claim is being carried out whose answer was lost.") from None

        return [*persist(statement), *held.values()]


@dataclass
class Slot:
    """One of a worker's slots: it has one job at a time.

    `wake_up` is the id of the message that woke it. Once the worker is `stopping`, nothing new is claimed; `stopped` is
    asked when a step has failed, maybe of that, which is then held against nobody. With a `crew` it does not wait for
    async steps.
    """

    desk: Desk
    wake_up: str
    stopping: Callable[[], bool] = lambda: False
    stopped: Callable[[], bool] = lambda: False
    crew: Crew | None = None
    turn_ends_at: float = field(default_factory=lambda: time.monotonic() + TURN_SECONDS)
    more: Mapping[str, int] = field(default_factory=dict)
    """How many other jobs waited in each queue when it last looked."""

    def claim(self, *, peek: bool = False) -> Attempt | None:
        """Make a due job this worker's, whose parameters it takes; `None` when there is none."""
        attempt, again = self._taken(self._granted(Wish(None, self._wanted(), peek)))
        while again and self._goes_on:
            attempt, again = self._taken(self._granted(Wish(None, self._wanted(), peek)))
        return attempt

    def end(self, attempt: Attempt, output: str) -> tuple[bool, Attempt | None]:
        """Write that the attempt's step has ended; gives whether there is another one, or else the next attempt."""
        wanted = self._wanted() if attempt.is_last_step and self._goes_on and attempt.lane is None else None
        granted = self._granted(Wish(attempt.ended(output), wanted, peek=attempt.is_last_step and wanted is None))
        if attempt.go_on(granted.ended):
            return True, None
        self._let_in(attempt)
        following, again = self._taken(granted) if wanted else (None, True)
        return False, self.claim() if again and self._goes_on else following

    def leave_to_crew(self, attempt: Attempt) -> bool:
        """Let an attempt at an async step go on without this slot, if it can."""
        return self.crew is not None and self.crew.join(attempt, self.wake_up)

    def after_all(self, attempt: Attempt) -> Attempt | None:
        """The next attempt when this one has not come to its end here, or has failed."""
        self._let_in(attempt)
        return self.claim() if self._goes_on else None

    def _let_in(self, attempt: Attempt) -> None:
        """Let in what has waited for the end of this attempt; one of it this slot may claim itself."""
        if attempt.lane is not None:
            admission.admit(left=attempt.lane, own=int(self._goes_on))

    @property
    def _goes_on(self) -> bool:
        return not self.stopping() and time.monotonic() < self.turn_ends_at

    def _wanted(self) -> Claim:
        return Claim(str(uuid4()), self.wake_up)

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

    def _take(self, offered: Offered) -> Attempt | None:
        """Try its parameters, then claim it, if nothing has happened to it since; or let it wait for others."""
        try:
            pipeline, params = _accepted(offered)
        except Refused as error:
            self.desk.doubt(offered.pipeline)
            persist(partial(turned_away.turn_away, job_id=offered.id, **_refusal(error)))
            return None
        self.desk.trust(pipeline.name)
        seen = (offered.id, offered.seen)
        claimed = self.desk.claim_seen(Claim(str(uuid4()), self.wake_up, seen))
        return None if claimed is None else Attempt.from_claim(claimed, pipeline, params)

    def _begun(self, claimed: Claimed) -> Attempt | None:
        """The attempt that this claim has begun; `None` when it has ended with that."""
        own: dict[str, Any] = {"job_id": claimed.id, "token": claimed.token}
        if claimed.step_failures is None:  # its step was completed just then
            persist(partial(transitions.stop, outcome=states.overtaken(), **own))
            return None
        try:
            return Attempt.from_claim(claimed, *_accepted(claimed))
        except Refused as error:
            self.desk.doubt(claimed.pipeline)
            persist(partial(transitions.refuse, **_refusal(error), **own))
            return None


def _accepted(job: Claimed | Offered) -> tuple[Pipeline, Params]:
    """The pipeline of a job, and its `params` as that takes them. Raises `Refused`."""
    pipeline = registry.runnable()[job.pipeline]
    with Deadline(ACCEPT_SECONDS, late=LOOKED_TOO_LONG):
        return pipeline, pipeline.accept(job.params)


def _refusal(error: Refused) -> dict[str, Any]:
    """What is remembered of it, as `transitions.refuse` and `turned_away.turn_away` take it."""
    message = shortened(str(error), MESSAGE_CHARACTERS)
    logger.info("It waits for a worker that takes its params. %s", message)
    crews = persist(partial(workers.snapshot, patience=get_settings().lease_seconds)).crews
    refusing = next((crew.id for crew in crews if crew.release == registry.release()), None)
    return {"error": message, "crews": [crew.id for crew in crews], "refusing": refusing}
