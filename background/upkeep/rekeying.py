"""Brings what waits or runs into the lanes of this release: another one may have limits with other keys.

A job has the values of the keys, and not their names: read by the limits of another release, a customer would be taken
for a region. The params have both.
"""

import logging
from collections.abc import Callable

from background.jobs import registry
from background.jobs.limits import lane_key
from background.jobs.pipeline import Pipeline
from background.jobs.sql import rekeying
from background.storage import pools

logger = logging.getLogger(__name__)

LOOKS = (0.0, 60.0, 240.0, 600.0)
"""The seconds before each look: at its start, and while processes of the release before it may still make jobs."""


def watch(wait: Callable[[float], bool]) -> None:
    """Look now and then after the worker's start, until `wait` says to stop. Raises `Unavailable`."""
    for pause in LOOKS:
        if wait(pause):
            return
        for pipeline in registry.pipelines().values():
            rekey(pipeline, wait)
    while not wait(3600.0):
        pass


def rekey(pipeline: Pipeline, wait: Callable[[float], bool] = lambda _: False) -> int:
    """Give the jobs of a pipeline that have not ended the keys of its limits; gives how many had others."""
    names, after, changed = pipeline.limit_keys, 0, 0
    while names:
        with pools.working.transaction() as connection:
            found = rekeying.keyed(connection, pipeline.name, names, after=after)
            keys = {each.id: _key(pipeline, names, each) for each in found}
            wrong = {each.id: (each.limit_key, keys[each.id]) for each in found if keys[each.id] != each.limit_key}
            changed += rekeying.rekey(connection, wrong) if wrong else 0
        if not found or wait(0.0):
            break
        after = found[-1].id
    if changed:
        logger.info("%s: %s jobs have the keys of the limits of this release now.", pipeline, changed)
    return changed


def _key(pipeline: Pipeline, names: list[str], job: rekeying.Keyed) -> str:
    if job.params is not None:
        return pipeline.lane_key(job.params)
    return lane_key(names, dict(zip(names, job.key_values, strict=True)))
