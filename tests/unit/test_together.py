"""Threads whose items come while a write is under way are written together."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from background.base.errors import Unavailable
from background.base.together import Together


def test_what_comes_while_a_write_is_under_way_is_written_together() -> None:
    sizes: list[int] = []
    begun, go_on = threading.Event(), threading.Event()

    def write(items: Sequence[int]) -> list[int]:
        sizes.append(len(items))
        begun.set()
        assert go_on.wait(10)
        return [item * 10 for item in items]

    together = Together(write)
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(together, 0)
        assert begun.wait(10)
        rest = [pool.submit(together, item) for item in range(1, 8)]
        while len(together._waiting) < 7:
            pass
        go_on.set()
        assert [each.result(10) for each in [first, *rest]] == [item * 10 for item in range(8)]
    assert sizes == [1, 7]


def test_only_the_culprit_gets_the_error() -> None:
    barrier = threading.Barrier(4)

    def write(items: Sequence[int]) -> list[int]:
        if 13 in items:
            raise ValueError("thirteen")
        return list(items)

    together = Together(write)

    def ask(item: int) -> int:
        barrier.wait(10)
        return together(item)

    with ThreadPoolExecutor(4) as pool:
        for _ in range(50):
            asked = {item: pool.submit(ask, item) for item in (1, 2, 3, 13)}
            assert [asked[item].result(10) for item in (1, 2, 3)] == [1, 2, 3]
            with pytest.raises(ValueError, match="thirteen"):
                asked[13].result(10)


def test_a_server_that_does_not_answer_is_asked_once_for_all() -> None:
    written: list[list[int]] = []
    begun, go_on = threading.Event(), threading.Event()

    def write(items: Sequence[int]) -> list[int]:
        written.append(sorted(items))
        begun.set()
        assert go_on.wait(10)
        if 0 not in items:
            raise Unavailable("gone")
        return list(items)

    together = Together(write)
    with ThreadPoolExecutor(6) as pool:
        first = pool.submit(together, 0)
        assert begun.wait(10)
        rest = [pool.submit(together, item) for item in range(1, 6)]
        while len(together._waiting) < 5:
            pass
        go_on.set()
        assert first.result(10) == 0
        assert all(isinstance(each.exception(10), Unavailable) for each in rest)
    assert written == [[0], [1, 2, 3, 4, 5]]


def test_many_threads_each_get_their_own_answer() -> None:
    def write(items: Sequence[int]) -> list[int]:
        return [item * 2 for item in items]

    together = Together(write)
    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(together, range(2000))) == [item * 2 for item in range(2000)]
