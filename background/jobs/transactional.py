"""Jobs that are made in somebody else's transaction: committed with it, or not there at all."""

import asyncio
from collections.abc import Awaitable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias, Unpack, overload

from pydantic import BaseModel, ValidationError
from sqlalchemy.exc import DBAPIError

from background.base.errors import Invalid
from background.jobs import checks
from background.jobs.new_job import as_new, as_row
from background.jobs.pipeline import Pipeline
from background.jobs.schemas import EnqueueOptions, JobRequest
from background.jobs.sql import control, unique
from background.jobs.sql.control import Blocking, Stored
from background.storage.connections import no_schema

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, async_scoped_session

    Waiting: TypeAlias = AsyncSession | async_scoped_session[AsyncSession] | AsyncConnection

NO_SCHEMA = ("42P01", "42703")
"""PostgreSQL's codes for a table and for a column that does not exist."""


@overload
def enqueue(
    session: Blocking,
    pipeline: str | Pipeline,
    params: BaseModel | Mapping[str, Any] | None = None,
    **options: Unpack[EnqueueOptions],
) -> Stored: ...


@overload
def enqueue(
    session: "Waiting",
    pipeline: str | Pipeline,
    params: BaseModel | Mapping[str, Any] | None = None,
    **options: Unpack[EnqueueOptions],
) -> Awaitable[Stored]: ...


def enqueue(
    session: Any,
    pipeline: str | Pipeline,
    params: BaseModel | Mapping[str, Any] | None = None,
    **options: Any,
) -> Stored | Awaitable[Stored]:
    """Make a job in the transaction of a SQLAlchemy session or connection; gives it, with its `id` and `task_id`.

    With the commit, whoever makes it, the job exists and PostgreSQL has a worker woken for it; with a rollback there
    has never been one. With an `AsyncSession` or `AsyncConnection` it is to be awaited. `options` are those of
    `POST /jobs`: `priority`, `delay_seconds`, `max_attempts`, `tags`, `callback_url`, `unique_key`,
    `unique_seconds`. Where there is a job with that key it gives that one, a `duplicate`. Raises `Invalid` or
    `TooLarge` before anything is written, `Unavailable` where the database has no schema yet, and `TypeError` for what
    is no session.
    """
    if not hasattr(session, "execute"):
        what = "a SQLAlchemy session or connection, whose transaction it is made in"
        raise TypeError(f"enqueue takes {what}; {type(session).__name__} is none.")
    if hasattr(session, "run_sync"):
        return _enqueue_async(session, pipeline, params, options)
    return _store(session, _row(pipeline, params, options))


async def _enqueue_async(
    session: Any, pipeline: str | Pipeline, params: BaseModel | Mapping[str, Any] | None, options: dict[str, Any]
) -> Stored:
    # What a pipeline checks of its parameters may look at the disk.
    row = await asyncio.to_thread(_row, pipeline, params, options)
    stored: Stored = await session.run_sync(_store, row)
    return stored


def _row(
    pipeline: str | Pipeline, params: BaseModel | Mapping[str, Any] | None, options: dict[str, Any]
) -> dict[str, Any]:
    given: dict[str, Any] = {
        name: list(value) if isinstance(value, tuple) else value for name, value in options.items() if value is not None
    }
    try:
        request = JobRequest(
            pipeline=pipeline.name if isinstance(pipeline, Pipeline) else pipeline,
            params=checks.in_json(params, where=("enqueue",)),
            **given,
        )
        return as_new(as_row(request, where=("enqueue",)))
    except ValidationError as error:
        found = Invalid.from_pydantic(error, where=("enqueue",))
    except Invalid as error:
        found = error
    # In a log there is only the text.
    said = "; ".join(f"{'.'.join(map(str, each.loc[1:]))}: {each.msg}" for each in found.errors)
    raise Invalid(said or str(found), errors=found.errors, code=found.code, **found.values)


def _store(session: Blocking, row: dict[str, Any]) -> Stored:
    try:
        while True:
            stored = unique.store(session, [row], lambda rows: control.enqueue(session, rows))
            if stored:
                return stored[row["task_id"]]
    except DBAPIError as error:
        if (getattr(error.orig, "pgcode", None) or getattr(error.orig, "sqlstate", None)) not in NO_SCHEMA:
            raise
        raise no_schema() from error
