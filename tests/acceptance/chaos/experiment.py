"""One run: a stack, load, faults, and the audit."""

import random
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from tests.acceptance.chaos.audit import Violation
from tests.acceptance.chaos.faults import Storm
from tests.acceptance.chaos.load import STEP_SECONDS, Load
from tests.acceptance.chaos.report import Report
from tests.acceptance.chaos.stack import POOLS, Stack
from tests.acceptance.releases import FIRST, SECOND

WRONG_CLOCK = "threads"
"""The worker whose clock is an hour off."""
GIVE_UP_SECONDS = 120
ENDINGS = "SELECT status, count(*) FROM jobs GROUP BY status"
MADE = """
SELECT count(schedule_id), count(*) FILTER (WHERE parent_id IS NOT NULL AND pipeline <> 'callback_url'),
    count(*) FILTER (WHERE pipeline = 'callback_url'), count(admitted_at)
FROM jobs
"""
SILENT = "SELECT name FROM schedules WHERE last_at IS NULL OR last_at < %s"
CLAIMS = """
SELECT (SELECT sum(attempt) FROM jobs), (SELECT count(*) FROM job_events WHERE kind = 'lost')
"""


def run(
    *,
    minutes: float,
    seed: int,
    directory: Path,
    pace: float = 3.0,
    rate: float = 5.0,
    step_seconds: Sequence[float] = STEP_SECONDS,
    at_least_jobs: int = 0,
    pooled: bool = False,
) -> Report:
    """Submit about `rate` jobs a second for so long while a fault strikes about every `pace` seconds.

    On a busy machine it goes on, up to twice as long, until there were `at_least_jobs`. Their steps take one of
    `step_seconds`. Clients hold back while too many jobs wait.

    `pooled`: everything reaches PostgreSQL through PgBouncer in transaction mode.

    `seed` decides which faults and jobs there are, and in which order; their timing is the machine's.
    """
    rng = random.Random(seed)
    clock = rng.choice(["clock_ahead", "clock_behind"])
    with ExitStack() as block:
        stack = block.enter_context(Stack(directory, rng=rng, pooled=pooled))
        base_url = stack.add_api().base_url
        load = Load(base_url=base_url, engine=stack.engine(), rate=rate, seed=seed, step_seconds=step_seconds)
        block.enter_context(load.stub)
        stack.add_workers(*(name for name in POOLS if name != WRONG_CLOCK))
        stack.add_workers(WRONG_CLOCK, seams=[clock])
        stack.nodes[WRONG_CLOCK].deploy(SECOND)
        storm = Storm(stack, pace=pace)
        storm.counts[f"a worker's {clock.replace('_', ' an hour ')}"] = 1
        _rage(storm, load, seconds=60 * minutes, at_least_jobs=at_least_jobs)
        # Each job is to find a worker of its release.
        for number, node in enumerate(stack.workers):
            node.deploy((FIRST, SECOND)[number % 2])
        violations, end_seconds = _calm(stack, load)
        violations += stack.violations(
            accepted=load.accepted,
            cancelled=load.cancelled,
            rolled_back=load.rolled_back,
            paused=load.paused,
            told=load.told(),
        )
        violations += [Violation("every answer is in the contract", None, answer) for answer in load.odd_answers]
        ((claims, losses),) = stack.select(CLAIMS)
        return Report(
            seed=seed,
            minutes=minutes,
            jobs=len(load.accepted),
            endings=Counter(dict(stack.select(ENDINGS))),
            mixed=_mixed(stack, load),
            claims=claims,
            losses=losses,
            faults=storm.counts,
            end_seconds=end_seconds,
            violations=violations,
        )


def _rage(storm: Storm, load: Load, *, seconds: float, at_least_jobs: int) -> None:
    load.start()
    try:
        storm.rage(seconds=seconds)
        until = time.monotonic() + seconds
        while len(load.accepted) < at_least_jobs and time.monotonic() < until:
            storm.rage(seconds=5)
    finally:
        load.stop()


def _mixed(stack: Stack, load: Load) -> dict[str, object]:
    """How much there was of what is beside plain jobs."""
    ((scheduled, hooked, calls, limited),) = stack.select(MADE)
    return {
        "of these made by schedules, hooks, for addresses": f"{scheduled}, {hooked}, {calls}",
        "let in by limits; pauses": f"{limited}; {len(load.paused)}",
        "jobs whose transaction was rolled back": len(load.rolled_back),
    }


def _calm(stack: Stack, load: Load) -> tuple[list[Violation], float | None]:
    """Let all come to its end; gives what did not go on by itself, and how long the end took."""
    begun = time.monotonic()
    ((now,),) = stack.select("SELECT now()")
    stack.tend_until(load.resume, seconds=GIVE_UP_SECONDS)
    stack.tend_until(lambda: not stack.select(SILENT, now), seconds=GIVE_UP_SECONDS)
    silent = [Violation("a schedule goes on", None, name) for (name,) in stack.select(SILENT, now)]
    stack.tend_until(load.pause_schedules, seconds=GIVE_UP_SECONDS)
    ended = stack.wait_all_ended(seconds=GIVE_UP_SECONDS)
    return silent, None if ended is None else time.monotonic() - begun
