"""The FastAPI application: `uvicorn main:app`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

import sample_app
from background import access, broker, logs, problems, system
from background.documents import router as documents
from background.jobs import registry
from background.jobs import router as jobs
from background.request_id import RequestId
from background.requests import BodyLimit
from background.serving import connections
from background.serving.answers import Answers
from background.serving.gate import OwnOrigin
from background.serving.limits import RateLimit
from background.serving.options import option
from background.serving.origins import names_of
from background.serving.proxies import ForwardedPrefix, trusted_proxies
from background.settings import get_settings
from background.streams import router as streams
from background.streams.feed import Feed
from background.web import router as web
from background.workers import router as workers

logs.configure()
# One that is declared wrong ends the process here.
registry.pipelines()
broker.limit_publisher()
keys = access.Keys()


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Feed]]:
    """What the process does for as long as it serves."""
    keys.read_again_on_hangup()
    async with connections.watched(), streams.lifespan(app) as state:
        yield state


app = FastAPI(
    title="Celery Playground",
    version="0.1.0",
    description="A durable job pipeline and a canvas playground on FastAPI, Celery, Redis and PostgreSQL.",
    lifespan=lifespan,
    docs_url=None,
    redoc_url=None,
)
settings = get_settings()
# Each stands before the ones above it.
app.add_middleware(BodyLimit, max_upload_bytes=settings.max_upload_bytes)
app.add_middleware(RateLimit, per_minute=settings.requests_per_minute)
app.add_middleware(access.RequireKey, keys=keys)
app.add_middleware(OwnOrigin, names=names_of(settings, has_keys=bool(keys.known), listens_on=option("--host")))
app.add_middleware(Answers)
app.add_middleware(ForwardedPrefix, trusted=trusted_proxies())
app.add_middleware(RequestId)
routers = (
    system.router,
    jobs.router,
    streams.router,
    workers.router,
    sample_app.router,
    documents.router,
    documents.reports,
    web.router,
)
for part in routers:
    app.include_router(part)
app.mount("/ui", web.page, name="page")
problems.install(app)
access.describe(app)
access.warn_if_open(keys)
