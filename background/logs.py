"""Logging of every process: one line a record, as text or as JSON (`LOG_FORMAT`)."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

from celery import Task
from celery._state import get_current_task

from background.settings import get_settings

TEXT_FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"


class JsonFormatter(logging.Formatter):
    """One JSON object a record; inside a task also its `task_id` and `task_name`."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line of JSON."""
        entry: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        task: Task[Any, Any] | None = get_current_task()
        if task is not None and task.request.id:
            entry |= {"task_id": task.request.id, "task_name": task.name}
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False, default=str)


def configure(level: int | str = logging.INFO) -> None:
    """Send everything from `level` up to standard error, uvicorn's and Celery's records included."""
    handler = logging.StreamHandler(sys.stderr)
    if get_settings().log_format == "json":
        handler.setFormatter(JsonFormatter())
    else:
        handler.setFormatter(logging.Formatter(TEXT_FORMAT))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "celery", "celery.task"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
