"""`python -m tests.acceptance.late_recorder …` is `celery …` that does not come to writing what it has gathered."""

from celery.__main__ import main

from background.canvas import batch

if __name__ == "__main__":
    batch.GATHER_SECONDS = 3600
    main()
