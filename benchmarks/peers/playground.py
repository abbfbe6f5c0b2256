"""This project: its own pipeline `demo`, whose steps take no time."""

from collections.abc import Callable
from contextlib import ExitStack

import psycopg2
from anyio.from_thread import start_blocking_portal

from background.jobs import creation
from background.jobs.schemas import JobRequest
from benchmarks.peers import servers

_opened = ExitStack()


def prepare() -> None:
    """Empty its tables."""
    with psycopg2.connect(servers.postgres()) as connection, connection.cursor() as cursor:
        cursor.execute("TRUNCATE jobs CASCADE")


def submitter() -> Callable[[int], None]:
    """As `POST /jobs` does, or `POST /jobs/batch`."""
    job = JobRequest(params={"step_seconds": 0})
    # A loop that goes on, as the API's does, and keeps its threads.
    portal = _opened.enter_context(start_blocking_portal())

    def submit(number: int) -> None:
        if number == 1:
            portal.call(creation.create_job, job)
        else:
            for done in range(0, number, 1000):
                creation.create_jobs([job] * min(1000, number - done))

    return submit
