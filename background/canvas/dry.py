"""A Celery application that keeps what it would publish: asked in memory, before anything is sent."""

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from celery import Celery
from celery.app.amqp import AMQP
from celery.backends.base import KeyValueStoreBackend
from celery.canvas import Signature, signature

from background.canvas.checks import MAX_BYTES, too_large
from background.celery import CONFIGURATION


class Send(NamedTuple):
    """One message, as `app.amqp.send_task_message` is called with it."""

    name: str
    message: Any
    options: dict[str, Any]


class BackendCall(NamedTuple):
    """Something that the result backend is told while a canvas is applied."""

    method: str
    args: tuple[Any, ...]
    options: dict[str, Any]


@dataclass
class _Asked(threading.local):
    """What Celery has said so far in this thread."""

    steps: list[Send | BackendCall] = field(default_factory=list)


_asked = _Asked()


class DryBackend(KeyValueStoreBackend):
    """A result backend that lets chords be built, and keeps nothing."""

    supports_native_join = True

    def ensure_chords_allowed(self) -> None:
        """Nothing: chords are allowed."""

    def on_task_call(self, producer: Any, task_id: str) -> None:
        """A task is sent."""

    def apply_chord(self, header_result_args: Any, body: Any, **options: Any) -> None:
        """A chord begins; the first argument is the id of its header's group, and the results of that."""
        _asked.steps.append(BackendCall("apply_chord", (header_result_args, body), options))

    def set_chord_size(self, group_id: str, chord_size: int) -> None:
        """The body waits for so many results."""
        _asked.steps.append(BackendCall("set_chord_size", (group_id, chord_size), {}))


class _DryAMQP(AMQP):
    def _create_task_sender(self) -> Any:
        def keep(_producer: Any, name: str, message: Any, **options: Any) -> None:
            _asked.steps.append(Send(name, message, options))

        return keep


class _NoProducer:
    connection: Any = None

    @contextlib.contextmanager
    def _reraise_as_library_errors(self) -> Iterator[None]:
        yield


_no_producer = _NoProducer()
_no_producer.connection = _no_producer


class DryCelery(Celery):
    """A Celery application without a broker: `dry_app` is the one there is."""

    amqp_cls: Any = _DryAMQP

    def _get_backend(self) -> DryBackend:
        # Not by name: the environment would have the last word on that.
        return DryBackend(app=self)

    @contextlib.contextmanager
    def producer_or_acquire(self, producer: Any = None) -> Iterator[Any]:  # type: ignore[override]  # noqa: ARG002
        """A block in which whoever wants to publish gets the given producer, where others connect."""
        yield _no_producer


# Where the tasks are imported it has them, too; who is given too little `Built` says, wherever it is asked.
dry_app = DryCelery("background", broker="memory://", set_as_current=False, strict_typing=False)
dry_app.conf.update(CONFIGURATION)


def ask(signature: Signature, *args: Any, **options: Any) -> tuple[Any, list[Send | BackendCall]]:
    """Apply it; gives the result and what Celery did. Raises `Invalid` before anything is serialised."""
    _asked.steps = []
    result = signature.apply_async(args, **options)
    steps, _asked.steps = _asked.steps, []
    total, known = 0, dict[int, int]()
    for step in steps:
        if isinstance(step, Send) and (total := total + weight(step.message.body, known)) > MAX_BYTES:
            raise too_large("canvas_bytes", MAX_BYTES, bytes=total)
    return result, steps


def copy_of(written: Any) -> Any:
    """A signature of `dry_app` like the one in a message, which stays as it is whatever Celery does to this one."""
    found: Any = signature(data_of(written, {}))
    found._app = dry_app
    return found


def data_of(value: Any, known: dict[int, Any]) -> Any:
    """Dictionaries and lists all the way down, as a worker finds them in a message; what is in it twice stays one."""
    if not isinstance(value, dict | list | tuple):
        return value
    if (found := known.get(id(value))) is None:
        if isinstance(value, dict):
            found = known[id(value)] = {}
            found.update((key, data_of(each, known)) for key, each in value.items())
        else:
            found = known[id(value)] = []
            found.extend(data_of(each, known) for each in value)
    return found


def weight(value: Any, known: dict[int, int]) -> int:
    """About how many bytes of JSON it is. What is in it several times is weighed once: messages grow by that."""
    if isinstance(value, dict | list | tuple):
        if (found := known.get(id(value))) is None:
            items = [*value, *value.values()] if isinstance(value, dict) else value
            found = known[id(value)] = 2 + sum(weight(each, known) + 2 for each in items)
        return found
    return len(value) + 2 if isinstance(value, str) else len(repr(value))
