"""The worker's consumer, which takes no message on trust. Its channel drops what is `Unusable` (see `transport`)."""

import threading
import time
from contextlib import suppress
from typing import Any

from celery.app.task import Context
from celery.exceptions import NotRegistered
from celery.worker.consumer import Consumer as CeleryConsumer
from kombu import pidbox

from background.intake.messages import Unusable, described, dropped, fault_of_command, fault_of_task
from background.intake.transport import NOT_THE_MESSAGES

_Consumer: Any = CeleryConsumer
GATHER_SECONDS = 0.1
"""How long what is said of tasks, to Flower, is gathered. Each time is a round trip, in which no message is taken."""


class Consumer(_Consumer):  # type: ignore[misc]
    """Celery's consumer, without its page about each message that it cannot use."""

    def __init__(self, *args: Any, app: Any, **kwargs: Any) -> None:
        app.control.mailbox.node_cls = ControlNode
        super().__init__(*args, app=app, **kwargs)
        self._events_due = 0.0
        self.has_stopped = threading.Event()

    def on_send_event_buffered(self) -> None:
        """Publish what is said of tasks soon, and with it what comes meanwhile."""
        now = time.monotonic()
        if self.hub and now >= self._events_due:
            self._events_due = now + GATHER_SECONDS
            self.hub.call_later(GATHER_SECONDS, self._flush_events)

    def stop(self) -> None:
        """Take nothing more; a message that Redis is handing out just then goes back, and `has_stopped` is set."""
        try:
            super().stop()
            with suppress(*NOT_THE_MESSAGES):
                if self.task_consumer:
                    self.task_consumer.channel.settle()
        finally:
            self.has_stopped.set()

    def held(self) -> list[Any]:
        """The messages of tasks that this worker has taken and not acknowledged; a thread beside it may ask."""
        consumer = self.task_consumer
        return consumer.channel.held() if consumer else []

    def shutdown(self) -> None:
        """Say what is left to be said, too."""
        with suppress(*NOT_THE_MESSAGES):
            self._flush_events()
        super().shutdown()

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Any:
        """What is called with each message of a task's queue."""
        handle = super().create_task_handler(*args, **kwargs)

        def on_task_received(message: Any) -> None:
            try:
                fault = fault_of_task(message.headers, message.payload)
            except Exception as error:
                raise Unusable(described(error)) from error
            if fault:
                raise Unusable(fault)
            handle(message)

        return on_task_received

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        """Drop a message that cannot be read."""
        raise Unusable(described(exc))

    def on_unknown_message(self, body: Any, message: Any) -> None:
        """Drop a message that is no task."""
        raise Unusable("it names no task")

    def on_invalid_task(self, body: Any, message: Any, exc: Exception) -> None:
        """Celery itself finds it wrong."""
        raise Unusable(described(exc))

    def on_unknown_task(self, body: Any, message: Any, exc: Exception) -> None:
        """Refuse a task that is not known here: whoever waits for its result learns that there is none."""
        fields = message.headers if "task" in message.headers else message.payload
        failure = NotRegistered(fields["task"])
        self.app.backend.mark_as_failure(fields["id"], failure, request=Context(id=fields["id"]))
        raise Unusable(f"there is no task {fields['task']}")


class ControlNode(pidbox.Node):
    """A worker's ear for remote control commands; one that cannot be carried out is one line."""

    mailbox: Any

    def handle_message(self, body: Any, message: Any = None) -> Any:
        """Carry out a command, if it is for this worker."""
        fault = fault_of_command(body)
        if fault is None:
            try:
                return super().handle_message(body, message)
            except NOT_THE_MESSAGES:
                raise
            except Exception as error:  # noqa: BLE001 - a pattern that is none, say
                fault = described(error)
        dropped(f"{self.hostname}.{self.mailbox.namespace}.pidbox", fault)
        return None

    def handle(self, method: str, arguments: dict[str, Any] | None = None) -> Any:
        """Carry out this command; what it answers, or why it did not."""
        try:
            return super().handle(method, arguments)
        except Exception as error:  # noqa: BLE001 - the arguments come from anywhere
            dropped(f"{self.hostname}.{self.mailbox.namespace}.pidbox", f"{method}: {described(error)}")
            return {"error": described(error)}
