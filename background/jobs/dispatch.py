"""The one place that publishes jobs, always after the commit. The message carries the id alone."""

import logging
import time
from collections.abc import Sequence

from kombu.exceptions import KombuError
from redis import RedisError
from sqlalchemy import RowMapping

from background import broker, database
from background.celery import celery_app, queue_of
from background.errors import Unavailable
from background.jobs import queries
from background.jobs.recovery_queries import PUBLISH_SECONDS
from background.task_names import TaskName

logger = logging.getLogger(__name__)

HIGHEST_PRIORITY = 9


def publish(jobs: Sequence[RowMapping], *, since: float, release: str | None = None) -> int:
    """Hand the messages of committed jobs (`id`, `task_id`, `priority`) to the broker; gives how many it took.

    `since` is what `time.monotonic` gave before the transaction that stored them began: `PUBLISH_SECONDS` later the
    broker refuses their messages, and recovery publishes what is missing. They go to the queue of a `release` where one
    is named. Never raises: they are safe in PostgreSQL.
    """
    if not jobs:
        return 0
    try:
        return _publish(jobs, since=since, release=release)
    except (Unavailable, KombuError, RedisError, OSError) as error:
        logger.warning("%s jobs are stored, but perhaps not yet published: %s", len(jobs), error)
    except Exception:  # whoever submitted them must hear that they are stored
        logger.exception("%s jobs are stored, but perhaps not yet published.", len(jobs))
    return 0


def _publish(jobs: Sequence[RowMapping], *, since: float, release: str | None) -> int:
    try:
        now = broker.clock()
    except Unavailable as error:
        logger.warning("%s jobs are stored, but not yet published: %s", len(jobs), error)
        if time.monotonic() < since + PUBLISH_SECONDS:  # else recovery may have published them by now
            with database.transaction(seconds=1) as connection:
                queries.mark_unpublished(connection, [job["id"] for job in jobs])
        return 0
    until = now + since + PUBLISH_SECONDS - time.monotonic()
    with broker.batch(until=until) as producer:
        for job in jobs:
            celery_app.send_task(
                TaskName.RUN_JOB,
                args=[job["id"]],
                task_id=str(job["task_id"]),
                # Redis serves its lowest list first.
                priority=HIGHEST_PRIORITY - job["priority"],
                ignore_result=True,
                queue=queue_of(release),  # type: ignore[arg-type]  # the types know only names
                producer=producer,
            )
    return len(jobs)
