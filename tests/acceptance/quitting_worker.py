"""`python -m tests.acceptance.quitting_worker …` is `celery …` whose steps quit, or rely on another process."""

import subprocess
import sys

from celery.__main__ import main

from background.jobs.pipeline import StepContext

REASON = "enough is enough"


def sleep(_: StepContext, seconds: float) -> None:
    """Let another process sleep; for no time at all, quit."""
    if not seconds:
        sys.exit(REASON)
    subprocess.run(["/bin/sleep", str(seconds)], check=True)


if __name__ == "__main__":
    StepContext.sleep = sleep  # type: ignore[method-assign,assignment]
    main()
