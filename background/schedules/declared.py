"""Schedules that stand in the code of pipelines, kept in step when a worker starts: what starts last is right.

They are known by the modules that `PIPELINES` names. A worker that has other modules leaves them alone, and so do
workers of an earlier release that go on running.
"""

import logging
from typing import Any

from sqlalchemy import Connection

from background.jobs import registry
from background.jobs.new_job import as_declared
from background.jobs.pipeline import Pipeline
from background.schedules import sql
from background.storage import database

logger = logging.getLogger(__name__)


def here() -> dict[str, tuple[str, Pipeline]]:
    """By the name of each pipeline with a schedule the module that has it, and the pipeline."""
    found: dict[str, tuple[str, Pipeline]] = {}
    for module, pipelines in registry.modules().items():
        for each in pipelines:
            if each.schedule is not None:
                found.setdefault(each.name, (module, each))
    return found


def keep_in_step() -> None:
    """Store what is declared, and remove what is not any more. Raises `Unavailable`.

    What stays as it was keeps its next due time. One that clients have made of the same pipeline, under its name,
    becomes the declared one.
    """
    wanted = here()
    with database.transaction() as connection:
        there = {row.name: row for row in sql.lock_declared(connection, names=[*wanted], modules=[*registry.modules()])}
        for name, row in there.items():
            if name not in wanted:
                sql.delete(connection, row.id)
        for name, (module, pipeline) in sorted(wanted.items()):
            _keep(connection, there.get(name), module, pipeline)


def _keep(connection: Connection, row: sql.Row | None, module: str, pipeline: Pipeline) -> None:
    declared = pipeline.scheduled()
    if declared is None:
        return
    if row is not None and row.module is None and row.job["pipeline"] != pipeline.name:
        logger.warning("%s: its schedule is not there, since one of another pipeline has its name.", pipeline)
        return
    now = sql.now(connection)
    times = {"cron": declared.cron, "every_seconds": declared.every_seconds, "timezone": declared.timezone}
    values: dict[str, Any] = {
        "name": pipeline.name,
        "job": as_declared(pipeline),
        **times,
        "catch_up": declared.catch_up,
        "module": module,
    }
    if row is not None and values.items() <= row._asdict().items():
        return
    paused = row is not None and row.paused
    same = row is not None and times.items() <= row._asdict().items()
    anchor = row.anchor if row is not None and same else now
    next_at = row.next_at if row is not None and same else declared.times(anchor=anchor).after(now)
    values |= {"paused": paused, "anchor": anchor, "next_at": None if paused else next_at}
    if row is None:
        sql.insert(connection, values)
    else:
        sql.update(connection, row.id, values)
