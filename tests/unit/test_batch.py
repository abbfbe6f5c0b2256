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

    def __call__(self, changes: Sequence[Change]) -> None:
        assert all(each.result == "1" and each.at <= time.monotonic() for each in changes)
        self.batches.append([each.task_id for each in changes])

    @property
    def ids(self) -> list[str]:
        """Of all tasks, in order."""
        return [task_id for written in self.batches for task_id in written]


def test_the_changes_of_a_moment_are_written_together() -> None:
    written = Written()
    gathered = Batch(written)
    ids = [str(number) for number in range(100)]
    for task_id in ids[:50]:
        gathered.add(task_id, "success", result="1")
    wait_for(lambda: written.ids == ids[:50], what="the first ones")
    assert len(written.batches) < 50
    for task_id in ids[50:]:
        gathered.add(task_id, "success", result="1")
    wait_for(lambda: written.ids == ids, what="the others")


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
    monkeypatch.setattr(batch, "GATHER_SECONDS", 3600)
    written = Written()
    gathered = Batch(written)
    gathered.add("the parent's", "success", result="1")
    child = os.fork()
    if child == 0:
        try:
            monkeypatch.setattr(batch, "GATHER_SECONDS", 0.01)
            gathered.add("the child's", "success", result="1")
            wait_for(lambda: written.ids, what="its own thread")
        finally:
            os._exit(0 if written.ids == ["the child's"] else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    gathered.flush()
    assert written.ids == ["the parent's"]
