"""Changes of tasks that are one change, and words to Flower that are gathered."""

import builtins
import json
import time
from typing import Any

import pytest

from background.canvas.batch import Change
from background.canvas.recorder import Exited, raised_again
from background.canvas.recording import _joined, describe
from background.canvas.sql.places import Sent
from background.canvas.values import InvalidArgument
from background.intake import consumer
from background.intake.consumer import Consumer

BODY = Sent("body", "background.task.test_tasks.xsum", "[]", "{}", None, None, None, None, None)


def change(task_id: str, kind: str, **more: Any) -> Change:
    """One that has just happened."""
    fields = {"result": None, "sent": {}, "at": 0.0, "is_open": kind == "success", **more}
    return Change(task_id, kind, **fields)


def test_what_ends_and_is_closed_in_one_write_ends_closed() -> None:
    last = [change("last", "success"), change("last", "closed", sent={"body": BODY})]
    changes = [change("one", "started"), change("one", "success"), *last[:1], change("one", "closed"), last[1]]
    changes.append(change("other", "closed"))  # it had ended before
    assert _joined(changes) == [
        change("one", "started"),
        change("one", "success", is_open=False),
        *last,
        change("other", "closed"),
    ]


class Hub:
    """An event loop that only notes what it is asked for."""

    def __init__(self) -> None:
        self.asked: list[float] = []

    def call_later(self, seconds: float, _: object) -> None:
        """As kombu's."""
        self.asked.append(seconds)


def test_what_is_said_of_tasks_is_gathered(monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    listener = object.__new__(Consumer)
    listener.hub, listener._events_due = Hub(), 0.0
    for _ in range(3):
        listener.on_send_event_buffered()
    assert listener.hub.asked == [consumer.GATHER_SECONDS]
    # Whatever has become of that: the loop forgets what it was asked for when the connection is lost.
    now += consumer.GATHER_SECONDS
    listener.on_send_event_buffered()
    assert listener.hub.asked == [consumer.GATHER_SECONDS] * 2


@pytest.mark.parametrize(
    "error", [RuntimeError("no"), InvalidArgument("x"), SystemExit("3"), type("Strange", (Exception,), {})("odd")]
)
def test_an_error_that_is_raised_again_is_the_same_to_celery(error: BaseException) -> None:
    """As it was the first time: what would end the process is `Exited` then."""
    found = raised_again(json.loads(describe(error)))
    first = error if isinstance(error, Exception) else Exited(f"{type(error).__name__}: {error}")
    assert (type(found).__name__, str(found)) == (type(first).__name__, str(first))
    assert isinstance(found, type(first)) or not hasattr(builtins, type(first).__name__)
