"""What is kept of what steps log: the newest, within bounds, in chunks that a statement takes."""

import json
import logging
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any

import pytest

from background.base.errors import Unavailable
from background.jobs import step_logs
from background.jobs.sql import logs
from background.jobs.sql.logs import Chunk, Kept
from background.jobs.step_logs import MOST_BYTES, MOST_LINES, Lines
from background.storage import pools


@pytest.fixture(autouse=True)
def nobody_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no PostgreSQL here."""
    monkeypatch.setattr(step_logs._Home, "wanted", lambda *_: None)


def told(chunks: list[Chunk]) -> list[str]:
    """The messages in them."""
    return [message for chunk in chunks for _, _, message in json.loads(chunk.lines)]


def test_steps_have_chunks_of_their_own_and_numbers_go_on() -> None:
    lines = Lines(7, 2)
    for step, text in ((1, "a"), (1, "b"), (2, "c")):
        lines.add(step, "INFO", text)
    assert [(each.step, each.last, each.length, each.first) for each in lines.take()] == [(1, 2, 2, 1), (2, 3, 1, 1)]
    assert lines.take() == []
    lines.add(2, "INFO", "d")
    assert [(each.last, told([each])) for each in lines.take()] == [(4, ["d"])]


@pytest.mark.parametrize(("text", "fit"), [("x", MOST_LINES), ("é" * 4000, MOST_BYTES // 8000)])
def test_only_the_newest_wait_and_older_ones_go(text: str, fit: int) -> None:
    lines = Lines(7, 1)
    for _ in range(fit + 5):
        lines.add(1, "INFO", text)
    (chunk,) = lines.take()
    assert (chunk.last, chunk.length, chunk.first) == (fit + 5, fit, 6)
    lines.add(1, "INFO", text)
    assert lines.take()[0].first == 7


def test_what_postgresql_did_not_take_is_written_again_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(step_logs._Home, "_run", lambda _: None)
    home = step_logs._Home()
    monkeypatch.setattr(step_logs, "_home", home)
    monkeypatch.setattr(pools, "working", lambda **_: nullcontext())
    asked: list[list[str]] = []

    def add(_: Any, chunks: list[Chunk]) -> None:
        asked.append(told(chunks))
        if len(asked) == 1:
            raise Unavailable("It is away.")

    monkeypatch.setattr(logs, "add", add)
    lines = Lines(7, 1)
    lines.add(1, "INFO", "a")
    with pytest.raises(Unavailable):
        home.write()
    assert home._there.is_set(), "the thread tries again by itself"
    lines.add(1, "INFO", "b")
    assert home.write()
    assert not home.write()
    assert (asked, home._there.is_set()) == ([["a"], ["a"], ["b"]], False)


def test_what_code_logs_in_a_step_is_kept_and_nothing_else() -> None:
    lines = Lines(7, 1)
    logger = logging.getLogger("test_step_logs")
    logger.warning("before")
    with step_logs.kept(lines, 3):
        logger.warning("in %s", "it")
        step_logs.log(lines, 3, logging.INFO, "\0\ud800")
    logger.warning("after")
    assert told(lines.take()) == ["in it", "\\x00\\ud800"]


@pytest.mark.parametrize("level", ["WARNING", None, True, 1.5])
def test_a_level_that_is_none_is_refused(level: Any) -> None:
    lines = Lines(7, 1)
    with pytest.raises(ValueError, match="takes a level of logging"):
        step_logs.log(lines, 1, level, "text")
    assert lines.take() == []


def test_a_reader_is_told_what_is_gone() -> None:
    at = datetime(2030, 1, 1, tzinfo=UTC)
    kept = Kept(3, 1, last=12, length=2, oldest=11, at=at, lines='[[1.5, "INFO", "k"], [0, "INFO", "l"]]')
    lines = step_logs.read([kept], after=0, limit=10)
    assert [each.message for each in lines] == ["[10 earlier lines of this attempt are left out]", "k", "l"]
    assert [each.number for each in lines] == [10, 11, 12]
    assert (lines[2].at - lines[1].at).total_seconds() == 1.5
    assert [each.message for each in step_logs.read([kept], after=lines[0].id, limit=10)] == ["k", "l"]
    assert step_logs.read([kept], after=lines[1].id, limit=10) == lines[2:]


def test_a_process_that_is_forked_writes_what_it_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(step_logs._Home, "_run", lambda _: None)
    lines = Lines(7, 1)
    for text in ("a", "b"):
        home = step_logs._Home()
        monkeypatch.setattr(step_logs, "_home", home)
        lines.add(1, "INFO", text)
        lines.add(1, "INFO", text)
        assert home._there.is_set()
        assert list(home._waiting) == [lines], "once"
