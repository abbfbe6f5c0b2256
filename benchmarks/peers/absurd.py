"""Absurd: a task of three steps; 8 at once in a process."""

from collections.abc import Callable

import psycopg
from absurd_sdk import Absurd, TaskContext
from absurdctl import BUNDLED_SCHEMA_SQL

from benchmarks.peers import servers


def prepare() -> None:
    """Make its schema, if need be, and its queue anew."""
    with psycopg.connect(servers.postgres(), autocommit=True) as connection:
        if connection.execute("SELECT to_regnamespace('absurd')").fetchone() == (None,):
            connection.execute(BUNDLED_SCHEMA_SQL)
    app = Absurd(servers.postgres())
    app.drop_queue()
    app.create_queue()
    app.close()


def submitter() -> Callable[[int], None]:
    """One job at a time."""
    app = Absurd(servers.postgres())

    def submit(number: int) -> None:
        for _ in range(number):
            app.spawn("run", {}, queue="default")

    return submit


def run(_: dict[str, object], context: TaskContext) -> None:
    """Three steps without work."""
    for name in ("first", "second", "third"):
        context.step(name, lambda: None)


def work() -> None:
    """A worker with threads."""
    app = Absurd(servers.postgres())
    app.register_task("run")(run)
    # By default it looks every quarter of a second: that alone would be what is measured.
    app.start_worker(concurrency=8, poll_interval=0.01)
