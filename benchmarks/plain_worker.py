"""`python -m benchmarks.plain_worker …` is `celery …` whose tasks record nothing."""

from typing import Any

from celery.__main__ import main

from background.canvas.recorder import RecordedTask


def plain(self: RecordedTask, *args: Any, **kwargs: Any) -> Any:
    """Only run the task, as Celery's own base does."""
    return self.run(*args, **kwargs)


if __name__ == "__main__":
    RecordedTask.__call__ = plain  # type: ignore[method-assign]
    main()
