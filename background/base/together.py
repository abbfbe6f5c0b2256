"""What threads of one process want to be written at the same moment is written by one statement (group commit)."""

import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from background.base.errors import Unavailable

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class _Waiting(Generic[Item, Answer]):
    def __init__(self, item: Item) -> None:
        self.item = item
        self.turn = threading.Event()
        self.leads = False
        self.answer: Answer
        self.error: BaseException | None = None


class Together(Generic[Item, Answer]):
    """Calls `write` with the items of all threads that came while the last call was under way.

    `write` gives an answer for each. Where it raises for several, each is written by itself: only the culprit's thread
    gets the error. `Unavailable` is nobody's fault, and everybody's error.
    """

    def __init__(self, write: Callable[[Sequence[Item]], Sequence[Answer]]) -> None:
        self._write = write
        self._lock = threading.Lock()
        self._waiting: list[_Waiting[Item, Answer]] = []
        self._busy = False

    def __call__(self, item: Item) -> Answer:
        """Have it written, by this thread or another one; gives its answer."""
        own: _Waiting[Item, Answer] = _Waiting(item)
        with self._lock:
            self._waiting.append(own)
            own.leads, self._busy = not self._busy, True
        if not own.leads:
            own.turn.wait()
        if own.leads:
            self._lead()
        if own.error is not None:
            raise own.error
        return own.answer

    def _lead(self) -> None:
        """Write what waits, then let the first of those that came meanwhile lead."""
        with self._lock:
            taken, self._waiting = self._waiting, []
        try:
            self._settle(taken)
        finally:
            with self._lock:
                following = self._waiting[0] if self._waiting else None
                self._busy = following is not None
                if following is not None:
                    following.leads = True
            for each in (*taken, *([following] if following else [])):
                each.turn.set()

    def _settle(self, taken: Sequence[_Waiting[Item, Answer]]) -> None:
        try:
            for each, answer in zip(taken, self._write([each.item for each in taken]), strict=True):
                each.answer = answer
        except BaseException as error:  # noqa: BLE001  (it is raised where it belongs)
            if len(taken) == 1 or not isinstance(error, Exception) or isinstance(error, Unavailable):
                for each in taken:
                    each.error = error
                return
            for each in taken:
                self._settle([each])
