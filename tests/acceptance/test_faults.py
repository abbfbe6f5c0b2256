"""Jobs under random faults: nothing is lost, doubled, or written by a worker that no longer holds it.

The long form of this is `python3 run.py chaos --minutes 10 --seed 1`; `docs/reliability.md` has its results.
"""

import tempfile
from pathlib import Path

import pytest

from tests.acceptance.chaos.experiment import run

SEED = 20
END_SECONDS = 100


@pytest.mark.timeout(300)
def test_no_job_is_hurt_by_random_faults() -> None:
    with tempfile.TemporaryDirectory(prefix="chaos-", ignore_cleanup_errors=True) as scratch:
        report = run(minutes=1.8, seed=SEED, directory=Path(scratch), pace=2.2, rate=9, step_seconds=(0, 0, 0.2, 0.5))
    print(report)
    assert report.violations == []
    assert report.end_seconds is not None
    assert report.end_seconds < END_SECONDS
    assert report.jobs >= 400
    assert report.faults.total() >= 40
