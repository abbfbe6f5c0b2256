"""Takes jobs from workers that are not there any more, once PostgreSQL has been steady for long enough to tell."""

import json
import logging
import time
from collections import Counter

from background.base import log_context
from background.jobs import dispatch, registry, states
from background.jobs.sql import recovery, transitions
from background.settings import get_settings
from background.storage import database
from background.upkeep.presence import PASS_SECONDS, answer_seconds

logger = logging.getLogger(__name__)

BATCH = 500


class Steadiness:
    """The time for which PostgreSQL has answered this process without a gap.

    By PostgreSQL's clock: that of a machine that was asleep has stood still.
    """

    def __init__(self) -> None:
        self._since: float | None = None
        self._last = 0.0
        self._started = 0.0
        self._broken = False

    def note(self, clock: float, *, started: float) -> None:
        """PostgreSQL, which was started then, has answered, and its clock showed this many seconds."""
        longest_gap = max(get_settings().lease_seconds / 3, 3 * PASS_SECONDS)
        if self._since is not None and not (started == self._started and 0 <= clock - self._last <= longest_gap):
            self.forget()
        if self._since is None:
            self._since = clock
        self._last, self._started = clock, started

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
    abilities = json.dumps(registry.abilities())
    since = time.monotonic()
    with database.transaction(seconds=answer_seconds()) as connection:
        jobs = recovery.lost(connection, lease=lease, abilities=abilities, limit=BATCH)
        for job in jobs:
            policy = registry.policy(job.pipeline, job.step)
            limit = policy.limit(job.step_failures, failures=job.failures, max_attempts=job.max_attempts)
            outcome = states.lost(silent=job.silent, **limit)
            transitions.stop(connection, job_id=job.id, token=job.token, outcome=outcome)
    for job in jobs:
        with log_context.bound(job_id=job.id, attempt=job.attempt):
            logger.warning("Job %s attempt %s: its worker was lost.", job.id, job.attempt)
    for queue, number in Counter(job.queue for job in jobs).items():
        dispatch.wake(number, queue=queue, since=since)
    return len(jobs)
