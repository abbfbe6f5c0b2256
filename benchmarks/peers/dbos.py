"""DBOS: a workflow of three steps on a queue; 8 at once in a process."""

import threading
from collections.abc import Callable

import psycopg
from dbos import DBOS, DBOSClient, run_dbos_database_migrations

from benchmarks.peers import servers

QUEUE = "bench"


def step() -> None:
    """No work."""


def run() -> None:
    """Three steps."""
    recorded = DBOS.step()(step)
    for _ in range(3):
        recorded()


def prepare() -> None:
    """Make its schema anew."""
    with psycopg.connect(servers.postgres()) as connection:
        connection.execute("DROP SCHEMA IF EXISTS dbos CASCADE")
    run_dbos_database_migrations(servers.postgres())


def submitter() -> Callable[[int], None]:
    """One job at a time."""
    client = DBOSClient(system_database_url=servers.postgres())

    def submit(number: int) -> None:
        for _ in range(number):
            client.enqueue({"workflow_name": "run", "queue_name": QUEUE})

    return submit


def work() -> None:
    """A process that takes from the queue."""
    DBOS(config={"name": "bench", "system_database_url": servers.postgres(), "run_migrations": False})
    DBOS.workflow(name="run")(run)
    DBOS.launch()
    # By default it looks once a second: that alone would be what is measured.
    DBOS.register_queue(QUEUE, worker_concurrency=8, polling_interval_sec=0.01)
    threading.Event().wait()
