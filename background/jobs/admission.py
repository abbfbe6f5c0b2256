"""Lets in jobs that wait for limits: whenever one that was let in has ended, some were made, and once a second."""

import logging
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache

from sqlalchemy import Connection

from background.base.errors import Unavailable
from background.jobs import dispatch, registry
from background.jobs.limits import READY, Declared, Lane, Standing, is_apart
from background.jobs.sql import control, limits
from background.storage import pools

logger = logging.getLogger(__name__)
_turn = threading.Lock()
_rests_until = float("-inf")  # before that this process does not look at all lanes again for the end of a job

AT_ONCE = 1_000
"""How many jobs are let in by one transaction at most."""
FEW, LANES = 20, 200
"""At so many lanes it looks first, and at a time then: mostly the first have all there is room for."""
WALK_SECONDS, WALK_SHARE = 0.1, 20
"""For so long after a look at all lanes, and for so many times as long as that took, the end of a job lets in its own
lane alone. Others wait for whoever looks, and each process of a worker does."""
PASS_SECONDS = 0.5
"""For so long one goes on while there is more."""


def _begin_anew() -> None:
    global _turn  # noqa: PLW0603  (whoever has it is not in this process)
    _turn = threading.Lock()


os.register_at_fork(after_in_child=_begin_anew)


@cache
def declared() -> Mapping[str, Declared]:
    """The limits that the pipelines of this release declare, by their names."""
    found = registry.pipelines().values()
    return {each.name: Declared(each.limits, each.limit_keys) for each in found if each.limits}


def limit_keys(connection: Connection, jobs: Sequence[control.Locked]) -> dict[int, str]:
    """The keys of the lanes in which these jobs, which are locked, stand by the limits of this release, by their ids.

    One that ended under another release may have the values of other keys, or none.
    """
    known = registry.runnable()
    keyed = {job.id: known[job.pipeline] for job in jobs if job.pipeline in known and known[job.pipeline].limit_keys}
    params = control.params(connection, [*keyed]) if keyed else {}
    return {job_id: pipeline.lane_key(params[job_id]) for job_id, pipeline in keyed.items()}


def keep_begun(connection: Connection, job_ids: Sequence[int]) -> None:
    """Keep what rates count of jobs that are to be deleted, or to get another key."""
    limits.keep_begun(connection, job_ids, declared(), known=registry.runnable())


def admit(*, left: Lane | None = None, own: int = 0) -> None:
    """Let in what limits have room for, and wake workers for it, but for so many that the caller claims itself.

    `left` is the lane of a job that has ended. Never raises: once a second somebody looks.
    """
    until = time.monotonic() + PASS_SECONDS
    more = True
    while more and time.monotonic() < until:
        since = time.monotonic()
        try:
            with _in_turn() as ours:
                admitted, more = _locked(left) if ours else ({}, False)
        except Unavailable as error:
            logger.warning("Jobs that wait for limits were not let in yet: %s", error)
            return
        except Exception:  # whoever submitted them must hear that they are stored
            logger.exception("Jobs that wait for limits were not let in yet.")
            return
        for queue, number in admitted.items():
            dispatch.wake(number - min(own, number), queue=queue, since=since)
            own -= min(own, number)


@contextmanager
def _in_turn() -> Iterator[bool]:
    """One thread of a process at a time asks for the lock; gives whether its turn has come.

    Whoever waits in PostgreSQL asks again and again, and holds a connection.
    """
    turn = _turn
    ours = turn.acquire(timeout=limits.WAIT_SECONDS)
    try:
        yield ours
    finally:
        if ours:
            turn.release()


def _locked(left: Lane | None) -> tuple[Mapping[str, int], bool]:
    with pools.working.transaction() as connection:
        return _admit(connection, left) if limits.lock(connection) else ({}, False)


def _admit(connection: Connection, left: Lane | None) -> tuple[Mapping[str, int], bool]:
    """Gives how many came of each queue, and whether there may be more."""
    if left is not None and (admitted := _at_end(connection, left)) is not None:
        return admitted, False
    since = time.monotonic()
    standing = limits.standing(connection, declared())
    chosen: dict[Lane, int] = {}
    for found in _walk(connection, standing, since=since):
        chosen |= standing.admit(found, most=AT_ONCE - sum(chosen.values()))
        if sum(chosen.values()) == AT_ONCE or (chosen and left is not None and not standing.is_apart(left)):
            break
    if not chosen:
        return {}, False
    return limits.admit(connection, chosen), max(chosen.values()) == limits.OF_LANE or sum(chosen.values()) == AT_ONCE


def _at_end(connection: Connection, left: Lane) -> Mapping[str, int] | None:
    """What came of the end of a job that makes room for its own lane alone; `None`: all lanes are to have their turns.

    So they are now and then, and where workers may soon have nothing to go on with.
    """
    if not is_apart(declared(), left.pipeline):
        return None
    standing, number, others = limits.standing_of(connection, declared(), left)
    if not standing.is_apart(left):
        return None
    if standing.ready[left.queue] >= READY // 2:
        return {}
    if others and time.monotonic() > _rests_until:
        return None
    gates = standing.gates(left)
    if number == 0 or all(gate.limit.seconds is not None for gate in gates):
        return {}
    if any(gate.limit.key is None for gate in gates):
        standing = limits.standing(connection, declared())
    chosen = standing.admit([(left, number)], most=AT_ONCE)
    return limits.admit(connection, chosen) if chosen else {}


def _walk(connection: Connection, standing: Standing, *, since: float) -> Iterator[list[tuple[Lane, int]]]:
    """All lanes in which jobs are held, some at a time, from behind the last one on that had its turn.

    But not all of a queue and pipeline of which none may begin, and none of a pipeline that is not known here, nor
    with it what limits it has. The look has begun with `since`.
    """
    global _rests_until  # noqa: PLW0603 - one for all threads of a process
    known = registry.runnable()
    seen: set[Lane] = set()
    at, ends, most = standing.last, False, FEW
    while not ends:
        whole = at.pipeline not in known or standing.shuts(at.queue, at.pipeline)
        most = min(FEW if whole else most, LANES)
        found = limits.lanes(connection, after=at, most=most, whole=whole)
        new = [each for each in found if each[0] not in seen]
        yield [(lane, number) for lane, number in new if lane.pipeline in known]
        seen.update(lane for lane, _ in new)
        ends = len(new) < most
        at, most = found[-1][0] if found else at, LANES
    now = time.monotonic()
    _rests_until = now + max(WALK_SECONDS, WALK_SHARE * (now - since))
