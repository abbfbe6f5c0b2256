"""This project: its own pipeline `demo`, whose steps take no time."""

import asyncio
from collections.abc import Callable

import psycopg2

from background.jobs import creation
from background.jobs.schemas import JobRequest
from benchmarks.peers import servers


def prepare() -> None:
    """Empty its tables."""
    with psycopg2.connect(servers.postgres()) as connection, connection.cursor() as cursor:
        cursor.execute("TRUNCATE jobs CASCADE")


def submitter() -> Callable[[int], None]:
    """As `POST /jobs` does, or `POST /jobs/batch`."""
    job = JobRequest(params={"step_seconds": 0})
    loop = asyncio.new_event_loop()

    def submit(number: int) -> None:
        if number == 1:
            loop.run_until_complete(creation.create_job(job))
        else:
            for done in range(0, number, 1000):
                creation.create_jobs([job] * min(1000, number - done))

    return submit
