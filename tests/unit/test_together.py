"""What threads or coroutines want while a write is under way is written together."""

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from background.base.errors import Unavailable
from background.base.together import Gathered, Together


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


def test_what_coroutines_want_meanwhile_is_written_together() -> None:
    written: list[list[int]] = []
    begun, go_on = threading.Event(), threading.Event()

    def write(items: Sequence[int]) -> list[int]:
        written.append(list(items))
        begun.set()
        assert go_on.wait(10)
        if 13 in items:
            raise ValueError("thirteen")
        return [item * 10 for item in items]

    async def ask() -> list[int | BaseException]:
        first = asyncio.create_task(gathered(0))
        assert await asyncio.to_thread(begun.wait, 10)
        rest = [asyncio.create_task(gathered(item)) for item in (1, 13, 2, 3)]
        await asyncio.sleep(0)
        rest[-1].cancel()  # it does not hear the answer, and nobody else misses his
        go_on.set()
        return await asyncio.gather(first, *rest, return_exceptions=True)

    gathered = Gathered(write)
    answers = asyncio.run(ask())
    assert answers[:2] == [0, 10]
    assert answers[3] == 20
    assert isinstance(answers[2], ValueError)
    assert isinstance(answers[4], asyncio.CancelledError)
    assert written == [[0], [1, 13, 2, 3], [1], [13], [2], [3]]
    # Another event loop, and nothing is left of the last one.
    assert asyncio.run(_one(gathered)) == 50


def test_coroutines_whose_writer_is_stopped_hear_of_it_and_others_find_one() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def write(items: Sequence[int]) -> list[int]:
        begun.set()
        assert go_on.wait(10)
        return list(items)

    async def ask() -> list[int | BaseException]:
        asked = [asyncio.create_task(gathered(0))]
        assert await asyncio.to_thread(begun.wait, 10)
        asked.append(asyncio.create_task(gathered(1)))
        await asyncio.sleep(0)
        (writer,) = asyncio.all_tasks() - {*asked, asyncio.current_task()}
        writer.cancel()
        found = await asyncio.wait_for(asyncio.gather(*asked, return_exceptions=True), 10)
        go_on.set()
        return [*found, await asyncio.wait_for(gathered(2), 10)]

    gathered = Gathered(write)
    first, second, third = asyncio.run(ask())
    assert isinstance(first, Unavailable)
    assert isinstance(second, Unavailable)
    assert third == 2


async def _one(gathered: Gathered[int, int]) -> int:
    return await gathered(5)


def test_coroutines_whose_writer_cannot_be_had_hear_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    gathered: Gathered[int, int] = Gathered(list)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", full)
        with pytest.raises(RuntimeError, match="can't start"):
            asyncio.run(_one(gathered))
    assert asyncio.run(_one(gathered)) == 5
