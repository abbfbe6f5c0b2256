"""`python -m tests.acceptance.late_recorder …` is `celery …` whose successes wait long to be written."""

from celery.__main__ import main

from background.canvas import batch

if __name__ == "__main__":
    batch.GATHER_SECONDS = 3600
    main()
