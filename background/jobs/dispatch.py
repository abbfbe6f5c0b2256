"""The one place that wakes workers for jobs, always after the commit. A message carries nothing: PostgreSQL knows which
job is next.

A worker that is woken runs jobs until none is due, so there are fewer messages than jobs: one for each of the first
`FEW`, then one for ten, so that `LLEN celery` tells how much waits, and `MOST` at most.
"""

import logging
import time
from collections.abc import Callable, Sequence
from functools import cache
from typing import TypeVar

from kombu.exceptions import KombuError
from redis import RedisError

from background import broker
from background.celery import RELEASE_SECONDS, queue_of
from background.errors import Unavailable
from background.jobs.states import WAKE_SECONDS
from background.jobs.transitions import LOOKED_AT, MANY
from background.task_names import TaskName

logger = logging.getLogger(__name__)

FEW = 10
MOST = 1000
Answer = TypeVar("Answer")


def wanted(due: int) -> int:
    """How many messages there are to be for so many due jobs."""
    return min(due, FEW + max(0, due - FEW) // FEW, MOST)


def wake_for(job_ids: Sequence[int], *, since: float) -> None:
    """Wake workers for committed jobs that are due. Never raises: they are safe in PostgreSQL.

    `since` is what `time.monotonic` gave before the transaction that stored them began.
    """
    one_in_ten = sum(job_id % FEW == 0 for job_id in job_ids)
    _push(len(job_ids), fill=FEW, at_least=one_in_ten, since=since)


def wake(due: int, *, since: float | None = None, release: str | None = None) -> int:
    """Have as many messages in the queue as so many due jobs want, `release`'s or the usual one; gives how many came.

    Never raises, as above.
    """
    number = wanted(due)
    return _push(number, fill=number, since=since, release=release)


def wake_another() -> None:
    """Wake one more slot, if one is free: nothing else waits in the queue then. Never raises, as above."""
    _push(1, fill=1)


def hand_on(due: int) -> None:
    """A slot has had its turn, and so many due jobs wait: its message goes to the end of the queue, if it is wanted.

    Others that are not wanted any more go away; `MANY` are as good as all that are ever counted. Never raises, as
    above.
    """
    _handed(lambda: _message(None).settle(wanted(due if due < MANY else LOOKED_AT), kept=FEW))


def _push(number: int, *, fill: int, at_least: int = 0, since: float | None = None, release: str | None = None) -> int:
    def push() -> int:
        until = broker.clock(at=(time.monotonic() if since is None else since) + WAKE_SECONDS)
        return _message(release).push(number, fill=fill, at_least=at_least, most=MOST, until=until)

    return _handed(push) or 0 if number else 0


def _handed(hand: Callable[[], Answer]) -> Answer | None:
    try:
        return hand()
    except (Unavailable, KombuError, RedisError, OSError) as error:
        logger.warning("Jobs wait, but perhaps no worker was woken for them yet: %s", error)
    except Exception:  # whoever submitted them must hear that they are stored
        logger.exception("Jobs wait, but perhaps no worker was woken for them yet.")
    return None


@cache
def _message(release: str | None) -> broker.Message:
    return broker.Message(TaskName.RUN_JOB, queue_of(release), expires=RELEASE_SECONDS if release else None)
