"""The one place that publishes jobs, always after the commit. The message carries the id alone."""

import logging
from contextlib import suppress
from uuid import UUID

from kombu.exceptions import KombuError

from background import database
from background.broker import require_broker
from background.celery import celery_app
from background.errors import Unavailable
from background.jobs import queries
from background.task_names import TaskName

logger = logging.getLogger(__name__)


def publish(job_id: int, task_id: UUID) -> bool:
    """Hand a committed job's message to the broker; gives whether it took it.

    Never raises for a broker or a database that is away: the job is safe in PostgreSQL.
    """
    try:
        require_broker()
        celery_app.send_task(TaskName.RUN_JOB, args=[job_id], task_id=str(task_id), ignore_result=True)
    except (Unavailable, KombuError, OSError) as error:
        logger.warning("Job %s is stored, but not yet published: %s", job_id, error)
        with suppress(Unavailable), database.transaction(seconds=1) as connection:
            queries.mark_unpublished(connection, job_id)
        return False
    return True
