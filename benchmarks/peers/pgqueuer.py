"""PgQueuer: it has no steps, so each of three entry points enqueues the next; its defaults, on asyncpg."""

import asyncio
from collections.abc import Callable

import asyncpg
from pgqueuer import AsyncpgDriver, PgQueuer, Queries
from pgqueuer.models import Job

from benchmarks.peers import servers

_EMPTY = "TRUNCATE pgqueuer, pgqueuer_log, pgqueuer_statistics"


async def _queries() -> Queries:
    return Queries(AsyncpgDriver(await asyncpg.connect(servers.postgres())))


async def _prepare() -> None:
    queries = await _queries()
    if not await queries.schema_is_installed():
        await queries.install()
    await queries.driver.execute(_EMPTY)


def prepare() -> None:
    """Make its tables, if need be, and empty them."""
    asyncio.run(_prepare())


def submitter() -> Callable[[int], None]:
    """A batch, or one."""
    runner = asyncio.Runner()
    queries = runner.run(_queries())

    def submit(number: int) -> None:
        runner.run(queries.enqueue(["first"] * number, [None] * number, [0] * number))

    return submit


async def _work() -> None:
    worker = PgQueuer(AsyncpgDriver(await asyncpg.connect(servers.postgres())))

    async def first(_: Job) -> None:
        await worker.qm.queries.enqueue("second", None)

    async def second(_: Job) -> None:
        await worker.qm.queries.enqueue("third", None)

    async def third(_: Job) -> None:
        pass

    for step in (first, second, third):
        worker.entrypoint(step.__name__)(step)
    await worker.run()


def work() -> None:
    """A worker with the defaults of its command line."""
    asyncio.run(_work())
