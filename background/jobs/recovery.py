"""What every worker does beside its tasks, so that no job is lost: renew, reap, publish what is missing.

No beat and no extra process: each worker runs these in threads of its main process, which also go on while
a step holds the main thread (solo pool). PostgreSQL's clock is the only one that counts.
"""

import json
import logging
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from celery.worker import state as celery_state
from celery.worker.request import Request
from sqlalchemy import Connection, RowMapping

from background import broker, database, log_context
from background.broker import queue_length
from background.canvas import recovery as canvas_recovery
from background.celery import QUEUE, queue_of
from background.errors import Unavailable
from background.jobs import dispatch, recovery_queries, registry, states, transitions, turned_away
from background.jobs.states import EventKind
from background.settings import get_settings
from background.task_names import JOB_TASKS
from background.workers import queries as workers
from background.workers.queries import Identity

logger = logging.getLogger(__name__)

PASS_SECONDS = 1.0
LOOKS_A_SECOND = 10
"""Where there are more workers than this, each looks less often: what one finds, another need not."""
BATCH = 500
Chore = Callable[[Callable[[float], bool]], object]


def woken() -> dict[str, Request]:
    """The messages that have woken slots which run jobs now, by id, as this worker's main process knows."""
    return {str(each.id): each for each in list(celery_state.active_requests) if each.name in JOB_TASKS}


def renew(wake_ups: Collection[str], *, worker_id: str) -> None:
    """Renew the leases of what runs there, in one statement, never past a step's time-out. Raises `Unavailable`."""
    lease = get_settings().lease_seconds
    if wake_ups:
        with database.transaction(seconds=min(database.ANSWER_SECONDS, lease / 3)) as connection:
            recovery_queries.renew(connection, wake_ups=list(wake_ups), worker_id=worker_id, lease=lease)


def time_out(*, worker_id: str) -> Sequence[RowMapping]:
    """Write off the jobs of this worker whose step has timed out and did not stop; gives them. Raises `Unavailable`."""
    lease = get_settings().lease_seconds
    with database.transaction(seconds=min(database.ANSWER_SECONDS, lease / 3)) as connection:
        rows = recovery_queries.overdue(connection, worker_id=worker_id, grace=min(1.0, lease / 4))
        for row in rows:
            _time_out(connection, row)
    return rows


def _time_out(connection: Connection, row: RowMapping) -> None:
    decision = states.after_error(
        failures=row["failures"] + 1,
        max_attempts=row["max_attempts"],
        retryable=True,
        jitter=random.random(),  # noqa: S311  (nothing secret)
    )
    transitions.stop(
        connection,
        job_id=row["id"],
        attempt=row["attempt"],
        status=decision.status,
        delay=decision.delay,
        kind=EventKind.STEP_FAILED,
        message=f"TimedOut: Step {row['current_step']} took longer than the {row['step_seconds']:g} s it may take.",
        failed=True,
    )


class Steadiness:
    """For how long PostgreSQL has answered one process without a gap.

    By PostgreSQL's clock: that of a machine that was asleep has stood still.
    """

    def __init__(self) -> None:
        self._since: float | None = None
        self._last = 0.0
        self._broken = False

    def note(self, clock: float) -> None:
        """PostgreSQL has answered, and its clock showed this many seconds."""
        longest_gap = max(get_settings().lease_seconds / 3, 3 * PASS_SECONDS)
        if self._since is not None and not 0 <= clock - self._last <= longest_gap:
            self.forget()
        if self._since is None:
            self._since = clock
        self._last = clock

    def forget(self) -> None:
        """PostgreSQL has not answered."""
        self._since = None
        self._broken = True

    @property
    def seconds(self) -> float:
        """0 while it does not answer."""
        return 0.0 if self._since is None else self._last - self._since

    def undisturbed_for(self, seconds: float) -> bool:
        """Whether there was no gap in the last `seconds`; the time before this process began does not count."""
        return not self._broken or self.seconds >= seconds


def reap() -> int:
    """Take jobs from workers that let their lease run out; gives how many. Raises `Unavailable`.

    An outage of PostgreSQL longer than a lease lets every healthy lease run out, and so does a machine that
    sleeps. So nothing is to be reaped before PostgreSQL has been up, and we have been connected to it, for one full
    lease: time enough to renew.
    """
    lease = get_settings().lease_seconds
    since = time.monotonic()
    with database.transaction(seconds=min(database.ANSWER_SECONDS, lease / 3)) as connection:
        rows = recovery_queries.lost(connection, lease=lease, limit=BATCH)
        for row in rows:
            decision = states.after_loss(failures=row["failures"] + 1, max_attempts=row["max_attempts"])
            transitions.stop(
                connection,
                job_id=row["id"],
                attempt=row["attempt"],
                status=decision.status,
                kind=EventKind.LOST,
                message="The worker was lost: its lease ran out",
                failed=True,
                silent=row["silent"],
            )
    for row in rows:
        with log_context.bound(job_id=row["id"], attempt=row["attempt"]):
            logger.warning("Job %s attempt %s: its worker was lost.", row["id"], row["attempt"])
    dispatch.wake(len(rows), since=since)
    return len(rows)


def send_on() -> None:
    """Find for each job that was turned away a live release that can run it, and wake that. Raises `Unavailable`."""
    with database.transaction() as connection:
        crews = workers.crews(connection, patience=get_settings().lease_seconds)
        recalled = turned_away.recall(connection, {crew.release for crew in crews})
        for crew in crews:
            abilities = json.dumps(crew.abilities)
            turned_away.send_to(connection, release=crew.release, abilities=abilities, crew=crew.id)
        sent = recovery_queries.sent_to(connection)
    if recalled:
        broker.empty(*(queue_of(release).name for release in recalled))
    for row in sent:
        dispatch.wake(row["due"], release=row["release"])


def end_child(request: Request | None) -> None:
    """Kill the child of the prefork pool that runs this; a thread cannot be ended from outside, and keeps its slot."""
    pid = int(request.worker_pid or 0) if request else 0
    if pid not in (0, os.getpid()):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


class Recovery:
    """The threads. `start` once the worker is ready, `leave` and `stop` when it ends.

    `chores` are what else the worker does, each in a thread of its own under its name, again and again. It is given
    what waits so many seconds, and says whether to stop.
    """

    def __init__(self, *, worker_id: str, chores: Mapping[str, Chore] | None = None) -> None:
        self.worker_id = worker_id
        self._chores = chores or {}
        self._identity: Identity | None = None
        self._present = threading.Lock()
        self._steadiness = Steadiness()
        self._workers = 1
        self._ending = threading.Event()

    def start(self, identity: Identity) -> None:
        """Begin; all threads are daemons and never outlive the process."""
        self._identity = identity
        lease = get_settings().lease_seconds
        for name, action, pause in (
            ("lease", self._renew, lambda: min(lease / 3, 5.0)),
            ("recovery", self._recover, self._pass_seconds),
            *((name, partial(chore, self._ending.wait), lambda: PASS_SECONDS) for name, chore in self._chores.items()),
        ):
            threading.Thread(target=self._repeat, args=(action, pause), name=name, daemon=True).start()

    def leave(self) -> None:
        """Sign off from the list of workers; leases are still renewed. Raises `Unavailable`."""
        with self._present:
            self._identity = None
            with database.transaction(seconds=1) as connection:
                workers.forget(connection, self.worker_id)

    def stop(self) -> None:
        """End the threads after what they are doing now."""
        self._ending.set()

    def _pass_seconds(self) -> float:
        """The pause between two looks, also the time in which others hear that this worker lives."""
        return max(PASS_SECONDS, min(self._workers / LOOKS_A_SECOND, get_settings().lease_seconds / 4))

    def _repeat(self, action: Callable[[], object], pause: Callable[[], float]) -> None:
        while not self._ending.wait(pause()):
            try:
                action()
            except Unavailable as error:
                logger.warning("%s: %s", threading.current_thread().name, error)
            except Exception:
                # This thread keeps jobs alive; one odd pass must not end it.
                logger.exception("%s: a pass failed", threading.current_thread().name)

    def _renew(self) -> None:
        active = woken()
        renew(active, worker_id=self.worker_id)
        # A step that ended in time during an outage of PostgreSQL must be able to say so first.
        undisturbed = self._steadiness.undisturbed_for(get_settings().lease_seconds)
        for row in time_out(worker_id=self.worker_id) if active and undisturbed else ():
            with log_context.bound(job_id=row["id"]):
                logger.warning("Job %s: its step timed out.", row["id"])
            end_child(active.get(row["wake_up"]))

    def _look(self) -> dict[str, Any]:
        """Say that this worker lives; gives what there is to do."""
        lease = get_settings().lease_seconds
        with self._present:
            try:
                queued = queue_length(QUEUE, queue_of(registry.release()).name)
            except Unavailable:
                queued = None
            with database.working(seconds=min(database.ANSWER_SECONDS, lease / 3)) as connection:
                return recovery_queries.look(connection, self._identity, queue_length=queued, patience=lease)

    def _recover(self) -> None:
        since = time.monotonic()
        lease = get_settings().lease_seconds
        try:
            found = self._look()
            self._steadiness.note(found["clock"])
            self._workers = found["workers"]
            if found["lost"] and min(self._steadiness.seconds, found["age"]) >= lease:
                reap()
        except Unavailable:
            self._steadiness.forget()
            raise
        dispatch.wake(found["due"], since=since)
        if found["turned_away"]:
            send_on()
        # After an outage of PostgreSQL no worker has been seen for a while.
        if self._steadiness.seconds >= lease:
            canvas_recovery.sweep()
