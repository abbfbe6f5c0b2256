"""The least that endpoints can do to take jobs: nothing, one insert, or one insert and one LPUSH for a whole batch."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from fastapi import Body, FastAPI
from redis.asyncio import Redis

from benchmarks.peers import servers

POOL: dict[str, Any] = {}


@asynccontextmanager
async def _lifespan(_: FastAPI) -> AsyncIterator[None]:
    async with asyncpg.create_pool(servers.postgres()) as pool, Redis.from_url(servers.redis()) as broker:
        POOL.update(database=pool, broker=broker)
        yield


app = FastAPI(lifespan=_lifespan)


@app.post("/nothing", status_code=201)
async def nothing() -> dict[str, int]:
    """Answer."""
    return {"job_id": 0}


@app.post("/jobs", status_code=201)
async def create_job() -> dict[str, int]:
    """Store a job (the statement is prepared), and publish nothing."""
    return {"job_id": await POOL["database"].fetchval("INSERT INTO bare_jobs DEFAULT VALUES RETURNING id")}


@app.post("/jobs/batch", status_code=201)
async def create_jobs(jobs: list[dict[str, Any]] = Body(embed=True)) -> list[dict[str, int]]:  # noqa: B008
    """Store and publish them."""
    created = "INSERT INTO bare_jobs (status) SELECT 'PENDING' FROM generate_series(1, $1) RETURNING id"
    ids = [row["id"] for row in await POOL["database"].fetch(created, len(jobs))]
    await POOL["broker"].lpush("bare", *ids)
    return [{"job_id": job_id} for job_id in ids]
