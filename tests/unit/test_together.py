"""What threads want to be written at the same moment is written by one call."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from background.errors import Unavailable
from background.jobs.together import Together

Written = list[list[int]]


def at_once(write: Callable[[Sequence[int]], Sequence[int]], items: range) -> list[Future[int]]:
    """Have the first written, and while that is under way all others; gives what became of each."""
    writing, goes_on = threading.Event(), threading.Event()

    def held(taken: Sequence[int]) -> Sequence[int]:
        writing.set()
        goes_on.wait(30)
        return write(taken)

    together = Together(held)
    with ThreadPoolExecutor(len(items)) as pool:
        first = pool.submit(together, items[0])
        writing.wait(30)
        others = [pool.submit(together, item) for item in items[1:]]
        while len(together._waiting) < len(others):
            pass
        goes_on.set()
    return [first, *others]


def test_those_that_come_meanwhile_are_one_call_and_each_has_its_answer() -> None:
    written: Written = []

    def write(taken: Sequence[int]) -> Sequence[int]:
        written.append(sorted(taken))
        return [10 * item for item in taken]

    answers = at_once(write, range(8))
    assert [answer.result() for answer in answers] == [10 * item for item in range(8)]
    assert written == [[0], [1, 2, 3, 4, 5, 6, 7]]


def test_an_error_is_that_of_its_culprit_alone() -> None:
    def write(taken: Sequence[int]) -> Sequence[int]:
        if 3 in taken:
            raise ValueError(taken)
        return [10 * item for item in taken]

    answers = at_once(write, range(6))
    assert [answer.exception() is None for answer in answers] == [True, True, True, False, True, True]
    with pytest.raises(ValueError, match=r"\[3\]"):
        answers[3].result()


def test_a_server_that_does_not_answer_is_asked_once_for_all() -> None:
    written: Written = []

    def write(taken: Sequence[int]) -> Sequence[int]:
        written.append(sorted(taken))
        if 0 not in taken:
            raise Unavailable("gone")
        return list(taken)

    answers = at_once(write, range(6))
    assert answers[0].result() == 0
    assert all(isinstance(answer.exception(), Unavailable) for answer in answers[1:])
    assert written == [[0], [1, 2, 3, 4, 5]]
