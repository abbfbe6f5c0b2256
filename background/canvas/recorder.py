"""The base of every task here: it records its own transitions in PostgreSQL."""

import contextlib
import sys
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

from billiard.common import terminate_handler_fired  # type: ignore[attr-defined]
from celery import Task
from celery._state import get_current_task
from celery.exceptions import (
    Ignore,
    Reject,
    Retry,
    WorkerShutdown,
    WorkerTerminate,
)
from celery.signals import (
    before_task_publish,
    task_postrun,
    task_revoked,
    worker_init,
    worker_process_shutdown,
    worker_shutdown,
)

from background.base import exact, forks
from background.base.errors import Unavailable
from background.base.queue_names import QUEUE
from background.canvas import results
from background.canvas.asking import ask, record
from background.canvas.placing import place
from background.canvas.recording import changes, describe, error_text, secure, settle, started, waits_again
from background.canvas.sql import places, tasks
from background.canvas.states import TaskState
from background.canvas.traces import Trace, is_uuid, message_of, place_of, sent_by
from background.canvas.values import InvalidArgument, check_arguments, result_text
from background.celery import celery_app
from background.intake.messages import RETRIES_HEADER
from background.intake.request import NamedRequest
from background.settings import get_settings
from background.task_names import JOB_TASKS
from background.workers.identity import WORKER_ID

MAX_DELIVERIES = 3
RETRY_SECONDS = 0.1
TASK_SECONDS = 90
"""A canvas task is killed after this time (prefork): before Redis hands its message out again."""


class WorkerLost(Exception):
    """The task was begun again and again, and each time its worker or process died under it."""


class Exited(Exception):
    """The task tried to end its process (`SystemExit`, `KeyboardInterrupt`)."""


acknowledged: deque[tuple[str, str]] = deque(maxlen=10_000)
"""The newest messages of which this worker is done for good: their ids, and the parents that they tell."""


class RecordedRequest(NamedRequest):
    """A request whose hard time limit is recorded by the worker's main process: the task itself is dead by then."""

    def acknowledge(self) -> None:
        """Celery calls this when the task has ended, with all that it calls: the message will not come again."""
        super().acknowledge()
        acknowledged.append((str(self.id), str(self.parent_id)))

    def on_timeout(self, soft: bool, timeout: float) -> None:
        """Celery calls this after it has killed the task's process."""
        super().on_timeout(soft, timeout)
        if not soft:
            settle(
                str(self.id),
                TaskState.FAILURE,
                error=error_text("TimeLimitExceeded", f"It took longer than the {timeout:g} s that it may take."),
                place=place_of(self._context),  # type: ignore[attr-defined]
            )


def raised_again(error: Mapping[str, Any]) -> Exception:
    """What a task that failed of this error (`recording.describe`) raised to Celery, as Celery itself would read it."""
    name, message = str(error["type"]), error["message"]
    known = {"exc_type": name, "exc_message": message, "exc_module": "builtins"}  # what is none Celery makes
    found: Any = celery_app.backend.exception_to_python(known)
    return found if isinstance(found, Exception) else Exited(f"{name}: {message}")


class RecordedTask(Task):  # type: ignore[type-arg]
    """A task whose start, retries and end are recorded under its id. An id that is no run's changes nothing."""

    abstract = True
    Request = RecordedRequest  # type: ignore[assignment]  # a class is as good as its name
    # It outlives its worker as far as Redis allows: its message is acknowledged when it has ended.
    acks_late = True
    reject_on_worker_lost = True
    time_limit = TASK_SECONDS

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the task. Its end is written before this process publishes what follows, so states change in order.

        A message may be delivered again after its worker died. A task that had succeeded is not run a second
        time then: its result goes on, as it was recorded or as Celery keeps it. So does the error of one that had
        failed, unless all that comes of it has come. One that had ended otherwise is dropped, and one that was begun
        `MAX_DELIVERIES` times fails with `WorkerLost`.
        """
        if self.request.called_directly:
            return self.run(*args, **kwargs)
        id_ = str(self.request.id)
        trace = Trace(id_, alone=self._is_alone, message_id=id_)
        self.request.update(trace=trace)
        known = self._begin(trace)
        if known is not None and known.state == TaskState.SUCCESS:
            trace.settled, trace.alone = True, False
            return exact.loads(known.result or "null")
        if known is not None and known.state == TaskState.FAILURE and known.error is not None and not known.closed:
            trace.settled = True
            raise raised_again(known.error)
        if known is not None and known.state != TaskState.STARTED:
            trace.dropped = True
            raise Ignore
        try:
            return self._succeeded(trace, self._outcome(trace, known, args, kwargs))
        except (Retry, Ignore, Reject, WorkerShutdown, WorkerTerminate):
            raise
        except (SystemExit, KeyboardInterrupt) as error:
            if terminate_handler_fired():  # it was killed
                raise
            self._failed(trace, error)
            raise Exited(f"{type(error).__name__}: {error}") from error
        except Exception as error:
            allowed = int(self.request.get(RETRIES_HEADER) or 0)
            if self.request.retries >= allowed or isinstance(error, WorkerLost | InvalidArgument):
                self._failed(trace, error)
                raise
            headers = {RETRIES_HEADER: str(allowed)}
            raise self.retry(exc=error, countdown=RETRY_SECONDS, max_retries=allowed, headers=headers) from error

    def _outcome(self, trace: Trace, known: tasks.Started | None, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What the task returns, now or when it was run before. Raises what it raises."""
        deliveries = 0 if known is None else known.deliveries
        if deliveries > 1:
            with contextlib.suppress(Unavailable):
                # Not by the id of its message: of several calls under one id Celery has the result of the last.
                for end in results.ends([trace.known_id]).values():
                    if end.state == TaskState.SUCCESS:
                        return exact.loads(end.text or "null")
        if deliveries > MAX_DELIVERIES:
            record(lambda connection: tasks.not_started(connection, trace.known_id))
            raise WorkerLost(f"Begun {MAX_DELIVERIES} times; each time its worker or process died.")
        check_arguments(self.name, args, kwargs)
        with forks.kept_in():
            return self.run(*args, **kwargs)

    @property
    def _is_kept(self) -> bool:
        """Whether its end may be written with others: Celery keeps the result, where it is found if we die before."""
        return not (self.request.ignore_result or self.ignore_result) and is_uuid(str(self.request.id))

    @property
    def _is_alone(self) -> bool:
        """Whether nothing follows either."""
        request = self.request
        return self._is_kept and not (request.callbacks or request.errbacks or request.chain or request.chord)

    def _begin(self, trace: Trace) -> tasks.Started | None:
        if not is_uuid(trace.task_id):  # a task that somebody sent himself; among others it would spoil the statement
            return None
        worker = str(self.request.hostname)
        try:
            if not self.request.retries:
                values = {"task_id": trace.task_id, "worker": worker, "worker_id": WORKER_ID}
                is_first = ask(lambda connection: tasks.started_first(connection, **values))
                if is_first:
                    changes.add(trace.task_id, "started", worker=worker, can_wait=True)
                if is_first or is_first is None:
                    return None
            known = started(task_id=trace.task_id, worker=worker, retries=self.request.retries)
            return known or self._begin_unknown(trace, worker)
        except Unavailable:
            trace.place, retries = place_of(self.request), self.request.retries
            trace.note("begun", at=trace.begun, worker=worker, retries=retries, can_wait=True)
            return None

    def _begin_unknown(self, trace: Trace, worker: str) -> tasks.Started | None:
        """No run has this id. It may be one of several calls, have another since a retry, or be sent by a task."""
        request = self.request
        if ask(lambda connection: places.is_former(connection, trace.task_id)):
            return tasks.Started(TaskState.REVOKED, deliveries=0, result=None, error=None)
        trace.task_id = place(sent_by(request), again=request.retries > 0)
        return started(task_id=trace.task_id, worker=worker, retries=request.retries)

    def _succeeded(self, trace: Trace, result: Any) -> Any:
        text = result_text(result)
        self._about_to_end(trace)
        if trace.alone:
            trace.note("success", result=text, sent=trace.sent)
        else:
            trace.note("success", result=text, is_open=True, can_wait=True)
        if trace.is_apart or not self._is_kept:
            secure(trace.task_id, TaskState.SUCCESS, text, place=trace.place)
        return result

    def _failed(self, trace: Trace, error: BaseException) -> None:
        self._about_to_end(trace)
        trace.note("failure", result=describe(error), is_open=True, can_wait=True)
        secure(trace.task_id, TaskState.FAILURE, describe(error), place=trace.place)

    @staticmethod
    def _about_to_end(trace: Trace) -> None:
        trace.settled = True
        if time.monotonic() - trace.begun > get_settings().lease_seconds:  # others may have taken it for lost
            trace.note("found", can_wait=True)

    def on_replace(self, sig: Any) -> Any:
        """Celery calls this when the task puts another in its place, most often one that comes under its id."""
        trace: Trace | None = self.request.get("trace")
        if trace is not None:
            trace.replaced = True
        return super().on_replace(sig)

    def retry(self, args: Any = None, kwargs: Any = None, exc: Any = None, *more: Any, **options: Any) -> Any:
        """As Celery's, which publishes the next try in it: that this one has failed is written before (`_retried`)."""
        trace: Trace | None = self.request.get("trace")
        if trace is None:
            return super().retry(args, kwargs, exc, *more, **options)
        trace.failed_of = exc or sys.exception() or Retry("It asked to be tried again.")
        try:
            return super().retry(args, kwargs, exc, *more, **options)
        finally:
            trace.failed_of = None


def _retried(request: Any, trace: Trace, *, queue: str | None) -> None:
    """The task is about to be published once more; the next try may begin, and end, as soon as it is."""
    values = {"retries": request.retries + 1, "error": describe(trace.failed_of), "queue": queue}
    trace.note("sent", sent=trace.sent, can_wait=True)
    changes.flush()
    waits_again(lambda connection: tasks.retried(connection, task_id=trace.known_id, **values))


def _replaced(trace: Trace, *, queue: str | None = None) -> None:
    """What the task has put in its place comes under its id: at once, or after others."""
    called = trace.comes_at_once
    waits_again(lambda connection: tasks.replaced(connection, trace.known_id, called=called, queue=queue))


def _note_publish(sender: str, headers: dict[str, Any], body: Any, routing_key: Any, **_: Any) -> None:
    """What is published while a task is at work was sent by it, or by Celery because of it."""
    task_id = str(headers.get("id"))
    at_work: Task[Any, Any] | None = get_current_task()
    trace: Trace | None = at_work.request.get("trace") if at_work is not None else None
    if trace is not None and trace.settled:
        changes.write()
    if not is_uuid(task_id) or sender in JOB_TASKS or (at_work is not None and trace is None):
        return
    args, kwargs, _ = body
    queue = None if routing_key == QUEUE else str(routing_key)  # all exchanges here are direct
    if at_work is not None and trace is not None and not trace.settled and task_id == str(at_work.request.id):
        trace.comes_at_once = True
        if trace.failed_of is not None:
            _retried(at_work.request, trace, queue=queue)
        else:
            changes.flush()
            _replaced(trace, queue=queue)
        return
    told = headers.get("parent_id")
    parent = trace.known_id if trace is not None else told
    names = {"parent_id": parent, "told_parent_id": told, "root_id": headers.get("root_id"), "eta": headers.get("eta")}
    sent = message_of(task_id, sender, args, kwargs, queue=queue, **names)
    if trace is not None:
        trace.sent[task_id] = sent
    else:  # the worker's main process, for a task that was killed
        changes.add(str(parent), "sent", sent={task_id: sent}, can_wait=True)
        changes.write()


@worker_init.connect
def _watch_publishing(**_: Any) -> None:
    """Only in workers: what the API publishes is known before."""
    before_task_publish.connect(_note_publish)


@task_postrun.connect
def _close(sender: Any, task_id: str, state: str, retval: Any, **_: Any) -> None:
    """Celery is done with the task: nothing more will come of it, unless it is tried again or replaced."""
    trace: Trace | None = sender.request.get("trace")
    if trace is None or not is_uuid(task_id) or (state == "RETRY" and trace.comes_at_once):
        return
    if trace.settled or trace.dropped:
        if not (trace.alone and state == TaskState.SUCCESS):
            request = sender.request
            goes_on = state == TaskState.SUCCESS and (request.callbacks or request.chain)
            trace.note("closed", sent=trace.sent, can_wait=bool(goes_on))
        return
    trace.note("sent", sent=trace.sent, can_wait=True)
    if trace.replaced or trace.comes_at_once:
        changes.write()
        if not trace.comes_at_once:
            _replaced(trace)
    elif state in ("IGNORED", "REJECTED") and not getattr(retval, "requeue", False):
        kind = "Ignore" if state == "IGNORED" else "Reject"
        error = error_text(kind, str(getattr(retval, "reason", retval)))
        settle(trace.task_id, TaskState.FAILURE, error=error, place=trace.place)
    elif state == "RETRY":  # for Celery it is to be tried again, for ever
        error = error_text("Retry", f"{retval}: raised without Task.retry, so no next try was published")
        settle(trace.task_id, TaskState.FAILURE, error=error, place=trace.place)
    elif state == TaskState.FAILURE:  # Celery itself could not go on
        settle(trace.task_id, TaskState.FAILURE, error=describe(retval), place=trace.place)


@task_revoked.connect
def _record_revoked(request: Any, *, terminated: bool, expired: bool, **_: Any) -> None:
    error = None
    if expired:
        before = "its next try" if request.retries else "a worker took it"
        error = error_text("TaskExpired", f"It had expired before {before}.")
    elif terminated:
        error = error_text("Killed", "It was killed while it ran.")
    settle(str(request.id), TaskState.REVOKED, error=error, place=place_of(request))


@worker_process_shutdown.connect
@worker_shutdown.connect
def _write_what_is_left(**_: Any) -> None:
    changes.flush()
