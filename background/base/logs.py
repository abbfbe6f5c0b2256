"""Logging of every process: one line a record, as text or as JSON (`LOG_FORMAT`).

What comes from outside (names, errors, paths, headers) cannot begin a line or give orders to a terminal: such
characters are written as escapes. Only a traceback goes over several lines, and all but the first are indented.
"""

import json
import logging
import os
import sys
import threading
import time
from collections import deque
from datetime import UTC, datetime
from typing import Any, TextIO

from celery import Task
from celery._state import get_current_task

from background.base import jsontext, log_context
from background.base.escapes import escaped, indented

# The ids stand before the message: behind it, a message could end in ids of its own.
TEXT_FORMAT = "%(asctime)s %(levelname)-7s %(name)s%(ids)s: %(message)s"
NO_EXTRA = {*vars(logging.makeLogRecord({})), "message", "asctime", "context", "ids", "color_message"}
"""What stands in records of which nobody has said more; `color_message` is uvicorn's, the message again."""


def add_ids(record: logging.LogRecord) -> bool:
    """A filter that lets all pass: gives the record, as `context`, the ids of what is being worked on."""
    found: dict[str, int | str] = {}
    task: Task[Any, Any] | None = get_current_task()
    # Celery's main process runs no task, but logs what becomes of them.
    told = getattr(record, "data", None)
    if task is not None and task.request.id:
        found = {"task_id": task.request.id, "task_name": task.name}
    elif isinstance(told, dict) and "id" in told:
        found = {"task_id": str(told["id"]), "task_name": str(told.get("name"))}
    # A job has an id of its own, beside that of the message which woke a worker.
    known = log_context.current()
    more = {name: value for name, value in found.items() if name not in known}
    record.__dict__["context"] = {**known, **more} if more else known
    return True


class TextFormatter(logging.Formatter):
    """One line a record, its ids in brackets; of an exception the traceback, indented."""

    def __init__(self) -> None:
        super().__init__(TEXT_FORMAT)
        self._told = (-1, "")

    def format(self, record: logging.LogRecord) -> str:
        """The record as text."""
        context = getattr(record, "context", {})
        ids = " ".join([f"{name}={value}" for name, value in context.items() if name != "task_name"])
        record.__dict__["ids"] = f" [{ids}]" if ids else ""
        record.asctime = self._clock(record)
        record.message = record.getMessage()
        line = escaped(self.formatMessage(record))
        if record.exc_info:
            line += indented(self.formatException(record.exc_info))
        return line + indented(record.stack_info or "")

    def _clock(self, record: logging.LogRecord) -> str:
        """What `formatTime` gives; but what changes once a second is made once a second."""
        second, told = self._told
        if second != int(record.created):
            second = int(record.created)
            told = time.strftime(self.default_time_format, self.converter(second))
            self._told = second, told
        return f"{told},{int(record.msecs):03d}"


class JsonFormatter(logging.Formatter):
    """One JSON object a record, with its ids and its `extra` as fields; inside a task also the `task_name`."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line of JSON."""
        entry: dict[str, Any] = {
            **_extra(record),
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "context", {}),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        # JSON itself lets some line ends and control characters pass.
        return escaped(json.dumps(entry, ensure_ascii=False, default=str), escape=lambda each: json.dumps(each)[1:-1])


def _extra(record: logging.LogRecord) -> dict[str, Any]:
    """What was said with the message; but not what Celery says there, which is all of a task."""
    if record.name.partition(".")[0] == "celery":
        return {}
    said = {name: value for name, value in record.__dict__.items() if name not in NO_EXTRA}
    return {name: value if jsontext.is_json(value, default=str) else str(value) for name, value in said.items()}


class LineHandler(logging.StreamHandler[TextIO]):
    """Writes one line after the other; who comes while a thread writes leaves its line to that one, and goes on.

    Whoever writes lets other threads run. Where they wait for a lock then, as that of a handler, one that says much has
    it again before them, and holds up all others while it speaks.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._lines: deque[str] = deque()
        self._begin_anew()
        os.register_at_fork(after_in_child=self._begin_anew)

    def _begin_anew(self) -> None:
        self._lines.clear()  # their own process writes them
        self._writing = threading.Lock()

    def handle(self, record: logging.LogRecord) -> bool:
        """As ever, without the lock."""
        passes = bool(self.filter(record))
        if passes:
            self.emit(record)
        return passes

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record, or leave it to the thread that writes."""
        try:
            self._lines.append(self.format(record))
            while self._lines and self._writing.acquire(blocking=False):
                try:
                    lines = [self._lines.popleft() for _ in range(len(self._lines))]
                    self.stream.write("".join([f"{line}\n" for line in lines]))
                    self.flush()
                finally:
                    self._writing.release()
        except Exception:  # noqa: BLE001  (as all handlers do)
            self.handleError(record)


def configure(log_format: str, *, level: int | str = logging.INFO) -> None:
    """Send everything from `level` up to standard error, as `text` or `json`; uvicorn's and Celery's records, too."""
    handler = LineHandler(sys.stderr)
    handler.addFilter(add_ids)
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "celery", "celery.task"):
        logger = logging.getLogger(name)
        # Neither is left by uvicorn's `--no-access-log`.
        logger.propagate = logger.propagate or bool(logger.handlers)
        logger.handlers.clear()
