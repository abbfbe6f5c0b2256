"""Successes that are written together: each exactly once, whoever writes them."""

import os
import threading
import time
from collections.abc import Sequence

import pytest

from background.canvas import batch
from background.canvas.batch import Batch, Success
from tests.support import wait_for


class Written:
    """What a batch has written."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []

    def __call__(self, successes: Sequence[Success]) -> None:
        assert all(each.result == "1" and each.at <= time.monotonic() for each in successes)
        self.batches.append([each.task_id for each in successes])

    @property
    def ids(self) -> list[str]:
        """Of all tasks, in order."""
        return [task_id for written in self.batches for task_id in written]


def test_the_successes_of_a_moment_are_written_together() -> None:
    written = Written()
    successes = Batch(written)
    ids = [str(number) for number in range(100)]
    for task_id in ids[:50]:
        successes.add(task_id, "1")
    wait_for(lambda: written.ids == ids[:50], what="the first ones")
    assert len(written.batches) < 50
    for task_id in ids[50:]:
        successes.add(task_id, "1")
    wait_for(lambda: written.ids == ids, what="the others")


def test_many_threads_add() -> None:
    written = Written()
    successes = Batch(written)
    ids = [[f"{thread}-{number}" for number in range(200)] for thread in range(8)]

    def add(mine: list[str]) -> None:
        for task_id in mine:
            successes.add(task_id, "1")
            successes.flush()

    threads = [threading.Thread(target=add, args=(mine,)) for mine in ids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(written.ids) == sorted(task_id for mine in ids for task_id in mine)


def test_a_forked_child_leaves_its_parents_to_the_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "GATHER_SECONDS", 3600)
    written = Written()
    successes = Batch(written)
    successes.add("the parent's", "1")
    child = os.fork()
    if child == 0:
        successes.add("the child's", "1")
        successes.flush()
        os._exit(0 if written.ids == ["the child's"] else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    successes.flush()
    assert written.ids == ["the parent's"]
