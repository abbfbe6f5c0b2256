"""`python -m tests.acceptance.late_publisher …` is `celery …` that goes on only after a second when it has published a
task's next try."""

import time
from typing import Any

from celery.__main__ import main
from celery.signals import after_task_publish


def _wait(headers: dict[str, Any], **_: Any) -> None:
    if headers.get("retries"):
        time.sleep(1)


if __name__ == "__main__":
    after_task_publish.connect(_wait)
    main()
