"""Changes that are written together: each exactly once, whoever writes them."""

import os
import threading
import time
from collections.abc import Sequence

import pytest

from background.canvas import batch
from background.canvas.batch import Batch, Change
from tests.support import wait_for


class Written:
    """What a batch has written."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []

    def __call__(self, changes: Sequence[Change]) -> Sequence[Change]:
        assert all(each.result == "1" and each.at <= time.monotonic() for each in changes)
        self.batches.append([each.task_id for each in changes])
        return []

    @property
    def ids(self) -> list[str]:
        """Of all tasks, in order."""
        return [task_id for written in self.batches for task_id in written]


class Slow(Written):
    """A writer that is held up in its first write until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = threading.Event()
        self.let_go = threading.Event()

    def __call__(self, changes: Sequence[Change]) -> Sequence[Change]:
        left = super().__call__(changes)
        self.begun.set()
        assert self.let_go.wait(30)
        return left


def test_an_end_is_written_at_once_and_what_comes_meanwhile_together() -> None:
    written = Slow()
    gathered = Batch(written)
    ids = [str(number) for number in range(100)]
    gathered.add(ids[0], "success", result="1")
    assert written.begun.wait(30)
    for task_id in ids[1:]:
        gathered.add(task_id, "success", result="1")
    written.let_go.set()
    wait_for(lambda: written.ids == ids, what="the others")
    assert written.batches == [ids[:1], ids[1:]]


def test_a_start_waits_for_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "PATIENCE_SECONDS", 3600)
    written = Written()
    gathered = Batch(written)
    gathered.add("one", "started", result="1", can_wait=True)
    gathered.add("one", "success", result="1")
    wait_for(lambda: written.ids, what="the end")
    assert written.batches == [["one", "one"]]


def test_ends_that_follow_a_write_closely_are_gathered(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow a machine is: closely is what is short beside the write itself."""
    monkeypatch.setattr(batch, "REST", 1e9)
    gathering, let_go = threading.Event(), threading.Event()

    class Held(Batch):
        def _gather(self, _: float) -> None:
            gathering.set()
            assert let_go.wait(30)

    written = Written()
    gathered = Held(written)
    gathered.add("first", "success", result="1")
    wait_for(lambda: written.ids, what="the first")
    gathered.add("second", "success", result="1")
    assert gathering.wait(30)
    gathered.add("third", "success", result="1")
    let_go.set()
    wait_for(lambda: written.batches == [["first"], ["second", "third"]], what="the others together")


def test_a_start_alone_is_told_as_well() -> None:
    written = Written()
    gathered = Batch(written)
    gathered.add("one", "started", result="1", can_wait=True)
    wait_for(lambda: written.ids == ["one"], what="the start")


def test_what_something_waits_for_is_written_with_what_was_before_but_for_closings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(batch, "PATIENCE_SECONDS", 3600)
    written = Written()
    gathered = Batch(written)
    gathered.add("one", "closed", result="1", can_wait=True)
    gathered.add("two", "started", result="1", can_wait=True)
    gathered.add("two", "success", result="1", can_wait=True)
    gathered.write()
    assert written.batches == [["two", "two"]]
    gathered.flush()
    assert written.batches == [["two", "two"], ["one"]]


class Refused(Written):
    """A writer that can write nothing until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.tries = 0
        self.let_go = threading.Event()

    def __call__(self, changes: Sequence[Change]) -> Sequence[Change]:
        self.tries += 1
        return super().__call__(changes) if self.let_go.is_set() else changes


def test_what_cannot_be_written_is_tried_again_in_its_order_and_nobody_waits_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(batch, "AGAIN_SECONDS", 0.01)
    written = Refused()
    gathered = Batch(written)
    gathered.add("one", "success", result="1", can_wait=True)
    gathered.write()
    assert written.tries >= 1
    gathered.add("one", "closed", result="1")
    gathered.add("two", "failure", result="1", can_wait=True)
    gathered.write()
    wait_for(lambda: written.tries > 3, what="more tries")
    written.let_go.set()
    wait_for(lambda: written.ids == ["one", "one", "two"], what="all of them")


def test_only_so_much_is_kept_to_be_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "MOST_LEFT", 3)
    written = Refused()
    gathered = Batch(written)
    for number in range(10):
        gathered.add(str(number), "success", result="1")
        gathered.flush()
    written.let_go.set()
    wait_for(lambda: written.ids[-1:] == ["9"], what="the last")
    assert written.ids == ["7", "8", "9"]


def test_many_threads_add() -> None:
    written = Written()
    gathered = Batch(written)
    ids = [[f"{thread}-{number}" for number in range(200)] for thread in range(8)]

    def add(mine: list[str]) -> None:
        for task_id in mine:
            gathered.add(task_id, "success", result="1")
            gathered.flush()

    threads = [threading.Thread(target=add, args=(mine,)) for mine in ids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(written.ids) == sorted(task_id for mine in ids for task_id in mine)


def test_a_forked_child_leaves_its_parents_to_the_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "PATIENCE_SECONDS", 3600)
    written = Written()
    gathered = Batch(written)
    gathered.add("the parent's", "started", result="1", can_wait=True)
    child = os.fork()
    if child == 0:
        try:
            gathered.add("the child's", "success", result="1")
            wait_for(lambda: written.ids, what="its own thread")
        finally:
            os._exit(0 if written.ids == ["the child's"] else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    gathered.flush()
    assert written.ids == ["the parent's"]
