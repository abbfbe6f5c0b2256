"""The use-cases of schedules. Each opens one transaction."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from background.base.errors import Conflict, Invalid, NotFound
from background.base.log_context import actor
from background.base.times import Unusable
from background.jobs import registry
from background.jobs.creation import wake_for
from background.jobs.new_job import as_pattern
from background.jobs.sql import control
from background.schedules import declared, firing, sql
from background.schedules.schemas import JOB, TIMES, Schedule, ScheduleChange, ScheduleRequest, ScheduleWithRuns
from background.storage import database

NEXT_RUNS = 5


def create_schedule(request: ScheduleRequest) -> ScheduleWithRuns:
    """Store a schedule. Raises `Conflict` for a taken name, `Invalid` or `TooLarge` for a job that cannot be made."""
    job = as_pattern(request.job())
    with _named(request.name), database.transaction() as connection:
        now = sql.now(connection)
        row = sql.insert(connection, _values(request, job, anchor=now, now=now))
    return _with_runs(row)


def change_schedule(schedule_id: int, change: ScheduleChange) -> ScheduleWithRuns:
    """Give a schedule other values. Raises as above, `NotFound`, and `Conflict` for one that is declared in code.

    Due times that passed while it was paused are not missed.
    """
    changed = change.model_fields_set
    with _named(change.name or ""), database.transaction() as connection:
        row = _found(sql.get(connection, schedule_id, lock=True), schedule_id)
        if row.module is not None and not changed <= {"paused"}:
            message = f"Schedule {row.name!r} is declared in {row.module}; here it can only be paused and resumed."
            raise Conflict(message, code="schedule_declared", name=row.name, module=row.module)
        if not changed:
            return _with_runs(row)
        if changed == {"paused"} and change.paused is not None:
            return _with_runs(_pause(connection, row, paused=change.paused))
        before = _fields(row)
        try:
            request = ScheduleRequest.model_validate(change.over(before))
        except ValidationError as error:
            raise Invalid.from_pydantic(error, where=("body",)) from None
        differs = {name for name in changed if getattr(request, name) != before[name]}
        job = as_pattern(request.job()) if differs & JOB else row.job
        anchor = row.now if differs & TIMES else row.anchor
        values = _values(request, job, anchor=anchor, now=row.now)
        if not differs & {*TIMES, "paused"}:
            values["next_at"] = row.next_at
        return _with_runs(sql.update(connection, schedule_id, values))


def _pause(connection: Connection, row: sql.Row, *, paused: bool) -> sql.Row:
    if paused == row.paused:
        return row
    try:
        next_at = None if paused else firing.times_of(row).after(row.now)
    except Unusable as error:
        raise Invalid(str(error), where=("body", "paused"), code=error.code) from None
    return sql.update(connection, row.id, {**row._asdict(), "paused": paused, "next_at": next_at})


def delete_schedule(schedule_id: int) -> None:
    """Remove a schedule; its jobs stay. Raises `NotFound`, and `Conflict` while it is declared in code."""
    with database.transaction() as connection:
        row = _found(sql.get(connection, schedule_id, lock=True), schedule_id)
        if row.module is not None and row.name in declared.here():
            message = f"Schedule {row.name!r} is declared in {row.module}; it goes when the declaration does."
            raise Conflict(message, code="schedule_declared", name=row.name, module=row.module)
        sql.delete(connection, schedule_id)


def run_schedule(schedule_id: int) -> control.Stored:
    """Make a job of a schedule now, paused or not; its due times stay. Raises `NotFound`.

    Raises `Invalid` where its params are to be drawn, and this process has not its pipeline.
    """
    with database.transaction() as connection:
        row = _found(sql.get(connection, schedule_id), schedule_id)
        if row.job.get("drawn") and row.job["pipeline"] not in registry.pipelines():
            raise Invalid(f"There is no pipeline {row.job['pipeline']!r} here.", where=("path", "schedule_id"))
    jobs = firing.jobs_of(row, 1)
    since = time.monotonic()
    with database.transaction() as connection:
        (made,) = firing.create(connection, row, [row.now], jobs, actor=actor())
        sql.note(connection, schedule_id, job_id=made.id)
    wake_for([made], since=since)
    return made


def get_schedule(schedule_id: int) -> ScheduleWithRuns:
    """One schedule with its next due times. Raises `NotFound`."""
    with database.transaction() as connection:
        return _with_runs(_found(sql.get(connection, schedule_id), schedule_id))


def find_schedules(*, pipeline: str | None, after: int, limit: int) -> list[Schedule]:
    """At most `limit` schedules, of a pipeline or of all, oldest first, with ids behind `after`."""
    with database.transaction() as connection:
        return [Schedule(**_told(row)) for row in sql.find(connection, pipeline=pipeline, after=after, limit=limit)]


@contextmanager
def _named(name: str) -> Iterator[None]:
    try:
        yield
    except IntegrityError as error:
        message = f"There is a schedule {name!r} already."
        raise Conflict(message, code="schedule_exists", name=name) from error


def _found(row: sql.Row | None, schedule_id: int) -> sql.Row:
    if row is None:
        raise NotFound(f"There is no schedule {schedule_id}.", what="schedule", id=schedule_id)
    return row


def _values(request: ScheduleRequest, job: dict[str, Any], *, anchor: datetime, now: datetime) -> dict[str, Any]:
    return {
        **request.model_dump(include={"name", "cron", "every_seconds", "timezone", "catch_up", "paused"}),
        "job": job,
        "module": None,
        "anchor": anchor,
        "next_at": None if request.paused else request.when().times(anchor=anchor).after(now),
    }


def _fields(row: sql.Row) -> dict[str, Any]:
    """What a request would have to say for this schedule."""
    return {name: _told(row)[name] for name in ScheduleRequest.model_fields}


def _told(row: sql.Row) -> dict[str, Any]:
    drawn = row.job.get("drawn", ())
    params = {name: value for name, value in row.job["params"].items() if name not in drawn}
    job = {**{name: row.job[name] for name in JOB}, "params": params}
    return {**row._asdict(), **job, "declared": row.module is not None}


def _with_runs(row: sql.Row) -> ScheduleWithRuns:
    runs = [] if row.next_at is None else list(islice(_runs(row), NEXT_RUNS))
    return ScheduleWithRuns(**_told(row), next_runs=runs)


def _runs(row: sql.Row) -> Iterator[datetime]:
    try:
        times, due = firing.times_of(row), row.now
        while (following := times.after(due)) is not None:
            yield (due := following)
    except Unusable:
        return
