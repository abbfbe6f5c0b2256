"""A request for a task, as the worker's main process knows it."""

from billiard.einfo import ExceptionInfo
from celery.worker.request import Request

from background.base import log_context


class NamedRequest(Request):
    """A request whose id is in what the worker's main process logs when the process that ran it has died."""

    def on_timeout(self, soft: bool, timeout: float) -> None:
        """The task took too long."""
        with log_context.bound(task_id=self.id):
            super().on_timeout(soft, timeout)

    def on_failure(self, exc_info: ExceptionInfo, send_failed_event: bool = True, return_ok: bool = False) -> None:
        """The task failed, or its process did."""
        with log_context.bound(task_id=self.id):
            super().on_failure(exc_info, send_failed_event, return_ok)
