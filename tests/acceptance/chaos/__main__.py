"""`python -m tests.acceptance.chaos --minutes 10 --seed 1`: jobs under random faults; exit code 0 if none was hurt."""

import argparse
import signal
import sys
import tempfile
from pathlib import Path

from tests.acceptance.chaos.experiment import run


def main() -> int:
    """Run as the command line says and print what came of it."""
    parser = argparse.ArgumentParser(prog="run.py chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=2, help="how long jobs and faults go on")
    parser.add_argument("--seed", type=int, default=1, help="decides which faults and jobs there are")
    parser.add_argument("--pace", type=float, default=3, help="seconds from one fault to the next, about")
    parser.add_argument("--rate", type=float, default=5, help="jobs submitted a second, about")
    parser.add_argument("--keep", type=Path, help="an empty directory for logs and data, to be kept")
    parser.add_argument("--pgbouncer", action="store_true", help="reach PostgreSQL through it, in transaction mode")
    chosen = parser.parse_args()
    # As an exception, so that nothing it has started stays behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("Stopped."))
    print(f"Jobs and faults for {chosen.minutes:g} minutes; seed {chosen.seed}.", flush=True)
    with tempfile.TemporaryDirectory(prefix="chaos-", ignore_cleanup_errors=True) as scratch:
        report = run(
            minutes=chosen.minutes,
            seed=chosen.seed,
            directory=chosen.keep or Path(scratch),
            pace=chosen.pace,
            rate=chosen.rate,
            pooled=chosen.pgbouncer,
        )
    print(report)
    return 0 if report.clean else 1


if __name__ == "__main__":
    sys.exit(main())
