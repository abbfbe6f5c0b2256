"""`python -m tests.acceptance.quitting_worker …` is `celery …` whose steps quit, or rely on another process.

With `PASS_ON` in its environment they end with the exit code of that process, as a shell script does.
"""

import os
import subprocess
import sys

from celery.__main__ import main

from background.jobs.pipeline import StepContext

REASON = "enough is enough"


def sleep(_: StepContext, seconds: float) -> None:
    """Let another process sleep; for no time at all, quit."""
    if not seconds:
        sys.exit(REASON)
    done = subprocess.run(["/bin/sleep", str(seconds)], check="PASS_ON" not in os.environ)
    sys.exit(done.returncode)


if __name__ == "__main__":
    StepContext.sleep = sleep  # type: ignore[method-assign,assignment]
    main()
