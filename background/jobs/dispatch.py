"""The one place that wakes workers for jobs, always after the commit. A message carries nothing: PostgreSQL knows which
job is next.

A worker that is woken runs jobs of its queues until none is due, so there are fewer messages than jobs: in each queue
one for each of the first `FEW`, then one for ten, so that `LLEN celery` tells how much waits, and `MOST` at most.
"""

import logging
import time
from collections.abc import Callable, Sequence
from functools import cache
from typing import TypeVar

from kombu.exceptions import KombuError
from redis import RedisError

from background.base.errors import Unavailable
from background.base.queue_names import QUEUE
from background.broker import message, server
from background.celery import RELEASE_SECONDS, queue_of
from background.jobs.sql.work import LOOKED_AT, MANY
from background.jobs.states import WAKE_SECONDS
from background.task_names import TaskName

logger = logging.getLogger(__name__)

FEW = 10
"""For each of the first so many due jobs there is a message, and then one for every so many."""
MOST = 1000
"""How many messages wait in a queue at most."""
SILENT_SECONDS = 0.5
"""For so long nobody asks a broker again that has kept somebody waiting for nothing: each would wait as long himself,
one after the other, and workers look for jobs in PostgreSQL, too."""
LONG_SECONDS = 0.25
_left_alone_until = float("-inf")
Answer = TypeVar("Answer")


def wanted(due: int) -> int:
    """How many messages there are to be for so many due jobs."""
    return min(due, FEW + max(0, due - FEW) // FEW, MOST)


def wake_for(job_ids: Sequence[int], *, since: float, queue: str = QUEUE) -> None:
    """Wake workers for committed jobs of a queue that are due. Never raises: they are safe in PostgreSQL.

    `since` is what `time.monotonic` gave before the transaction that stored them began.
    """
    one_in_ten = sum(job_id % FEW == 0 for job_id in job_ids)
    _push(len(job_ids), fill=FEW, at_least=one_in_ten, since=since, queue=queue)


def wake(due: int, *, queue: str = QUEUE, since: float | None = None, release: str | None = None) -> int:
    """Have as many messages in the queue, or in that of a `release`, as so many due jobs want; gives how many came.

    Never raises, as above.
    """
    number = wanted(due)
    return _push(number, fill=number, since=since, release=release, queue=queue)


def wake_heard(number: int, *, queue: str = QUEUE) -> None:
    """So many commits have made jobs that are due: other workers have heard of them, too. Never raises, as above."""
    _push(number, fill=FEW, queue=queue)


def wake_another(queue: str = QUEUE) -> None:
    """Wake one more slot, if one is free: nothing else waits in the queue then. Never raises, as above."""
    _push(1, fill=1, queue=queue)


def hand_on(due: int, *, queue: str = QUEUE) -> None:
    """A slot has had its turn, and so many due jobs wait: its message goes to the end of the queue, if it is wanted.

    Others that are not wanted any more go away; `MANY` are as good as all that are ever counted. Never raises, as
    above.
    """
    _handed(lambda: _message(None, queue).settle(wanted(due if due < MANY else LOOKED_AT), kept=FEW))


def _push(
    number: int,
    *,
    fill: int,
    at_least: int = 0,
    since: float | None = None,
    release: str | None = None,
    queue: str,
) -> int:
    def push() -> int:
        until = server.clock(at=(time.monotonic() if since is None else since) + WAKE_SECONDS)
        return _message(release, queue).push(number, fill=fill, at_least=at_least, most=MOST, until=until)

    return _handed(push) or 0 if number else 0


def _handed(hand: Callable[[], Answer]) -> Answer | None:
    global _left_alone_until  # noqa: PLW0603 - one for all threads of a process
    began = time.monotonic()
    try:
        if began < _left_alone_until:
            raise Unavailable("The broker (Redis) did not answer just now.")
        return hand()
    except (Unavailable, KombuError, RedisError, OSError) as error:
        if time.monotonic() - began > LONG_SECONDS:
            _left_alone_until = time.monotonic() + SILENT_SECONDS
        logger.warning("Jobs wait, but perhaps no worker was woken for them yet: %s", error)
    except Exception:  # whoever submitted them must hear that they are stored
        logger.exception("Jobs wait, but perhaps no worker was woken for them yet.")
    return None


@cache
def _message(release: str | None, queue: str) -> message.Message:
    return message.Message(
        TaskName.RUN_JOB, queue_of(release, queue=queue), expires=RELEASE_SECONDS if release else None
    )
