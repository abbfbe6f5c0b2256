"""The FastAPI application, whole or in parts: by itself, mounted in another one, or as routes of another one."""

import gc
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter, FastAPI

from background.base import logs
from background.base.version import version
from background.broker import publishing
from background.canvas import router as canvases
from background.documents import router as stored
from background.http import access, connections, problems
from background.http.answers import Answers
from background.http.compression import Compressed
from background.http.gate import OwnOrigin
from background.http.limits import RateLimit
from background.http.options import option
from background.http.origins import names_of
from background.http.proxies import ForwardedPrefix, trusted_proxies
from background.http.request_id import RequestId
from background.http.requests import BodyLimit
from background.jobs import queues, registry
from background.jobs import router as durable
from background.outcomes import router as outcomes
from background.schedules import router as schedules
from background.settings import get_settings
from background.streams import router as streams
from background.system import health, workers
from background.web import router as web

DESCRIPTION = "A durable job pipeline and a canvas playground on FastAPI, Celery, Redis and PostgreSQL."


def create_app(*, jobs: bool = True, canvas: bool = True, documents: bool = True, page: bool = True) -> FastAPI:
    """The application with these parts: what `uvicorn main:app` serves, and what another application may mount.

    Without `canvas` there is no `/result` either, documents are only stored, and its tables need not be there
    (`migrate --without canvas`). Raises `SystemExit` for a setting or a pipeline that cannot be used.
    """
    settings = get_settings()
    logs.configure(settings.log_format)
    keys = access.Keys()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        keys.read_again_on_hangup()
        feed = streams.open_feed(app)
        async with connections.watched():
            # All of this stays for good, and each full collection would go through it.
            gc.collect()
            gc.freeze()
            yield
        feed.close()

    app = FastAPI(
        title="Celery Playground",
        version=version(),
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    # Each stands before the ones above it.
    app.add_middleware(BodyLimit, max_upload_bytes=settings.max_upload_bytes)
    app.add_middleware(RateLimit, per_minute=settings.requests_per_minute)
    app.add_middleware(access.RequireKey, keys=keys)
    app.add_middleware(OwnOrigin, names=names_of(settings, has_keys=bool(keys.known), listens_on=option("--host")))
    app.add_middleware(Compressed)
    app.add_middleware(Answers)
    app.add_middleware(ForwardedPrefix, trusted=trusted_proxies())
    app.add_middleware(RequestId)
    app.include_router(health.router)
    include_in(app, jobs=jobs, canvas=canvas, documents=documents, page=page)
    problems.answer_all(app)
    access.describe(app)
    access.warn_if_open(keys)
    return app


def include_in(
    app: FastAPI,
    *,
    prefix: str = "",
    dependencies: Sequence[Any] = (),
    jobs: bool = True,
    canvas: bool = True,
    documents: bool = True,
    page: bool = True,
) -> None:
    """Give an application the routes of these parts, below `prefix`, each with these `dependencies` (`Depends(…)`).

    What its own are remains as it is: settings of logs, middlewares, lifespan, and handlers, but for one more that
    answers our own errors (RFC 9457). The page's files are not behind the dependencies. Raises `SystemExit` for a
    setting or a pipeline that cannot be used.
    """
    # One that is declared wrong ends the process here. Sources are read while there is one thread: later, others may
    # use `ast` at the same time, as anyio does when it is first used (see `declared.source`).
    registry.abilities()
    publishing.limit_publisher()
    problems.answer_expected(app)
    parts = {"jobs": jobs, "canvas": canvas, "documents": documents}
    for router in _routers(**parts):
        app.include_router(router, prefix=prefix, dependencies=[*dependencies])
    if page:
        app.state.page = True
        app.include_router(web.router, prefix=prefix)
        there = [name for name, wanted in parts.items() if wanted]
        app.mount(f"{prefix}/ui", web.Page(sources=get_settings().web_sources, parts=there), name="page")


def _routers(*, jobs: bool, canvas: bool, documents: bool) -> list[APIRouter]:
    return [
        *([durable.router, queues.router, schedules.router, streams.jobs] if jobs else []),
        *([streams.results] if canvas else []),
        health.readiness,
        workers.router,
        *([canvases.router, outcomes.router] if canvas else []),
        *([stored.router, stored.reports] if documents else []),
        *([stored.canvases] if documents and canvas else []),
    ]
