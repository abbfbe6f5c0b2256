"""`python -m tests.acceptance.deaf_worker …` is `celery …` whose steps hear nothing, as if they hung in a C library."""

import signal
import time

from celery.__main__ import main

from background.jobs.pipeline import StepContext


def sleep(_: StepContext, seconds: float) -> None:
    """Neither report nor let the timer's signal through."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
    time.sleep(seconds)


if __name__ == "__main__":
    StepContext.sleep = sleep  # type: ignore[method-assign,assignment]
    main()
