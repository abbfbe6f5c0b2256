"""Jobs under random faults: nothing is lost, doubled, or written by a worker that no longer holds it.

The long form of this is `python3 run.py chaos --minutes 10 --seed 1`; `docs/reliability.md` has its results.
"""

import tempfile
from pathlib import Path

import pytest

from tests.acceptance.chaos.experiment import run
from tests.acceptance.chaos.stack import LEASE_SECONDS, Stack
from tests.acceptance.test_durability import in_step
from tests.acceptance.test_jobs import ended, submit
from tests.support import wait_for

SEED = 20
END_SECONDS = 100
JOBS, FAULTS = 150, 40
PROMISED_SECONDS = LEASE_SECONDS + 5


@pytest.mark.timeout(300)
def test_no_job_is_hurt_by_random_faults() -> None:
    with tempfile.TemporaryDirectory(prefix="chaos-", ignore_cleanup_errors=True) as scratch:
        report = run(
            minutes=1.8,
            seed=SEED,
            directory=Path(scratch),
            pace=2.2,
            rate=9,
            step_seconds=(0, 0, 0.2, 0.5),
            at_least_jobs=JOBS,
        )
    print(report)
    assert report.violations == []
    assert report.end_seconds is not None
    assert report.end_seconds < END_SECONDS
    assert report.jobs >= JOBS
    assert report.faults.total() >= FAULTS


def test_a_killed_workers_job_goes_on_elsewhere_in_time(stack: Stack) -> None:
    client = stack.add_api()
    stack.add_workers("prefork1", "prefork2")
    job_id = submit(client, params={"step_seconds": 1})
    wait_for(lambda: in_step(client, job_id, 2), what="step 2")
    first = stack.holder(job_id, attempt=1)
    first.kill()
    second = stack.holder(job_id, attempt=2, seconds=PROMISED_SECONDS)
    job = ended(client, job_id)
    assert first is not second
    assert (job["status"], [step["attempt"] for step in job["steps"]]) == ("COMPLETED", [1, 2, 2])
    assert stack.violations(accepted=[job_id]) == []
