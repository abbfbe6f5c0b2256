"""The one place that publishes jobs, always after the commit. The message carries the id alone."""

import logging
from collections.abc import Sequence
from contextlib import suppress

from kombu.exceptions import KombuError
from redis import RedisError
from sqlalchemy import RowMapping

from background import broker, database
from background.celery import celery_app, queue_of
from background.errors import Unavailable
from background.jobs import queries
from background.task_names import TaskName

logger = logging.getLogger(__name__)

HIGHEST_PRIORITY = 9


def publish(jobs: Sequence[RowMapping], *, release: str | None = None) -> int:
    """Hand the messages of committed jobs (`id`, `task_id`, `priority`) to the broker; gives how many it took.

    They go to the queue of a `release` where one is named.

    Never raises for a broker or a database that is away: the jobs are safe in PostgreSQL, and a worker's
    recovery publishes what is missing.
    """
    sent = 0
    try:
        if jobs:
            broker.require_broker()
            with broker.producer() as producer:
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
                    sent += 1
    except (Unavailable, KombuError, RedisError, OSError) as error:
        logger.warning("%s jobs are stored, but not yet published: %s", len(jobs) - sent, error)
        with suppress(Unavailable), database.transaction(seconds=1) as connection:
            queries.mark_unpublished(connection, [job["id"] for job in jobs[sent:]])
    return sent
