"""One run: a stack, load, faults, and the audit."""

import random
import time
from collections import Counter
from collections.abc import Sequence
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
    with Stack(directory, rng=rng, pooled=pooled) as stack:
        load = Load(base_url=stack.add_api().base_url, rate=rate, seed=seed, step_seconds=step_seconds)
        stack.add_workers(*(name for name in POOLS if name != WRONG_CLOCK))
        stack.add_workers(WRONG_CLOCK, seams=[clock])
        stack.nodes[WRONG_CLOCK].deploy(SECOND)
        storm = Storm(stack, pace=pace)
        storm.counts[f"a worker's {clock.replace('_', ' an hour ')}"] = 1
        load.start()
        try:
            storm.rage(seconds=60 * minutes)
            until = time.monotonic() + 60 * minutes
            while len(load.accepted) < at_least_jobs and time.monotonic() < until:
                storm.rage(seconds=5)
        finally:
            load.stop()
        # Each job is to find a worker of its release.
        for number, node in enumerate(stack.workers):
            node.deploy((FIRST, SECOND)[number % 2])
        end_seconds = stack.wait_all_ended(seconds=GIVE_UP_SECONDS)
        violations = stack.violations(accepted=load.accepted, cancelled=load.cancelled)
        violations += [Violation("every answer is in the contract", None, answer) for answer in load.odd_answers]
        endings = dict(stack.select(ENDINGS))
        ((claims, losses),) = stack.select(CLAIMS)
        return Report(
            seed=seed,
            minutes=minutes,
            jobs=len(load.accepted),
            endings=Counter(endings),
            claims=claims,
            losses=losses,
            faults=storm.counts,
            end_seconds=end_seconds,
            violations=violations,
        )
