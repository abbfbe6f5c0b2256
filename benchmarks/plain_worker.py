"""`python -m benchmarks.plain_worker …` is `celery …` that knows one more task: `add` which records nothing."""

from typing import Any

from celery.__main__ import main

from background.canvas.recorder import RecordedTask
from background.celery import celery_app

PLAIN_ADD = "benchmarks.add"


class PlainTask(RecordedTask):
    """Received, acknowledged and limited in time like the others."""

    abstract = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Only run the task, as Celery's own base does."""
        return self.run(*args, **kwargs)


@celery_app.task(name=PLAIN_ADD, base=PlainTask)
def add(x: float, y: float) -> float:
    """What `background.task.test_tasks.add` does."""
    return x + y


if __name__ == "__main__":
    main()
