"""`python -m tests.acceptance.late_recorder …` is `celery …` that does not come to writing what it has gathered."""

from celery.__main__ import main

from background.canvas.batch import Batch

if __name__ == "__main__":
    Batch._run = lambda self: None  # type: ignore[method-assign]  # noqa: ARG005
    main()
