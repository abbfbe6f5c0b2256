"""`python -m tests.acceptance.quitting_worker …` is `celery …` whose steps quit, or rely on another process.

With `STEPS=exit` in its environment they end with the exit code of that process, as a shell script does; with
`STEPS=look` they look whether they are to end, and then end that process.
"""

import os
import subprocess
import sys
import time

from celery.__main__ import main

from background.jobs.pipeline import StepContext

REASON = "enough is enough"


STEPS = os.environ.get("STEPS")


def sleep(context: StepContext, seconds: float) -> None:
    """Let another process sleep; for no time at all, quit."""
    if not seconds:
        sys.exit(REASON)
    command = ["/bin/sleep", str(seconds)]
    if STEPS != "look":
        done = subprocess.run(command, check=STEPS != "exit")
        sys.exit(done.returncode)
    with subprocess.Popen(command) as program:
        try:
            while program.poll() is None:
                context.check_cancelled()
                time.sleep(0.1)
        finally:
            time.sleep(0.8)  # it takes a moment to end
            program.kill()


if __name__ == "__main__":
    StepContext.sleep = sleep  # type: ignore[method-assign,assignment]
    main()
