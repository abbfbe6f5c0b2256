"""procrastinate: it has no steps, so each of three tasks defers the next; 8 at once in a process."""

from collections.abc import Callable

import psycopg
from procrastinate import App, PsycopgConnector, SyncPsycopgConnector

from benchmarks.peers import servers

app = App(connector=PsycopgConnector(conninfo=servers.postgres()))


async def first(number: int) -> None:
    """Step 1."""
    await app.configure_task("second").defer_async(number=number)


async def second(number: int) -> None:
    """Step 2."""
    await app.configure_task("third").defer_async(number=number)


async def third(number: int) -> None:
    """Step 3."""


for _step in (first, second, third):
    app.task(name=_step.__name__)(_step)


def prepare() -> None:
    """Make its tables, if need be, and empty them."""
    with psycopg.connect(servers.postgres(), autocommit=True) as connection:
        if connection.execute("SELECT to_regclass('procrastinate_jobs')").fetchone() == (None,):
            _sync_app().schema_manager.apply_schema()
        connection.execute("TRUNCATE procrastinate_jobs, procrastinate_workers CASCADE")


def submitter() -> Callable[[int], None]:
    """A batch, or one."""
    task = _sync_app().configure_task("first")

    def submit(number: int) -> None:
        task.batch_defer(*({"number": each} for each in range(number)))

    return submit


def _sync_app() -> App:
    return App(connector=SyncPsycopgConnector(conninfo=servers.postgres())).open()


def work() -> None:
    """A worker that listens."""
    app.run_worker(concurrency=8)
