"""A log line is one line, and no text from elsewhere looks like another one."""

import asyncio
import io
import json
import logging
import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal

import pytest
import uvicorn

from background.base import log_context
from background.base.logs import JsonFormatter, LineHandler, TextFormatter, add_ids, configure
from background.local.console import LINE_LIMIT, Console

LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} [A-Z]+ +[\w.]+( \[[^\]]+\])?: ")
FORGED = "2026-01-01 00:00:00,000 INFO    background.http.access: ops may write"
NASTY = [
    f"x{end}{FORGED}" for end in ("\n", "\r", "\r\n", "\v", "\f", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029")
] + ["\x1b[2J\x1b[31mred", "\x9b2J", "\x07\x08\x7f", "\u202eback\u202c", "\u2066x\u2069", "\u200b", "\udc80"]


class Log:
    """A logger of its own, with what it has written."""

    def __init__(self, formatter: logging.Formatter) -> None:
        self.stream = io.StringIO()
        handler = logging.StreamHandler(self.stream)
        handler.setFormatter(formatter)
        handler.addFilter(add_ids)
        self.logger = logging.Logger("background.test")  # noqa: LOG001  (one that nobody else has)
        self.logger.addHandler(handler)

    @property
    def text(self) -> str:
        """What it has written, without the last line end."""
        return self.stream.getvalue().removesuffix("\n")


@pytest.fixture
def plain() -> Log:
    """A log as text."""
    return Log(TextFormatter())


@pytest.fixture
def as_json() -> Log:
    """A log as JSON."""
    return Log(JsonFormatter())


@pytest.fixture(autouse=True)
def no_context() -> Iterator[None]:
    """What a test binds is gone after it."""
    with log_context.bound():
        yield


def is_harmless(line: str) -> bool:
    """Whether no terminal and no reader sees more in this than one line of characters."""
    return line.isprintable()


@pytest.mark.parametrize("text", NASTY)
def test_a_message_is_one_line(plain: Log, text: str) -> None:
    plain.logger.info("failed: %s", text)
    assert is_harmless(plain.text)
    assert LINE.match(plain.text)
    assert len(plain.text.splitlines()) == 1


@pytest.mark.parametrize("text", NASTY)
def test_no_line_of_an_error_looks_like_one_of_the_log(plain: Log, text: str) -> None:
    try:
        try:
            raise KeyError(text)
        except KeyError as error:
            raise RuntimeError(text) from error
    except RuntimeError:
        plain.logger.exception("failed")
    first, *rest = plain.text.split("\n")
    assert LINE.match(first)
    assert [line for line in rest if "Traceback (most recent call last)" in line]
    assert all(is_harmless(line) and line.startswith("    ") for line in rest)
    assert plain.text.splitlines() == [first, *rest]


@pytest.mark.parametrize("text", NASTY)
def test_json_is_an_object_a_line(as_json: Log, text: str) -> None:
    try:
        raise RuntimeError(text)
    except RuntimeError:
        as_json.logger.exception("failed: %s 한국어", text)
    assert is_harmless(as_json.text)
    assert "한국어" in as_json.text
    found = json.loads(as_json.text)
    assert found["message"] == f"failed: {text} 한국어"
    assert text in found["exception"]


def test_the_ids_stand_where_no_message_can_forge_them(plain: Log) -> None:
    with log_context.bound(request_id="r-1", actor="ops]: x\n"):
        plain.logger.info("[actor=other]: hello")
    assert plain.text.endswith(r"background.test [request_id=r-1 actor=ops]: x\n]: [actor=other]: hello")


def test_json_has_the_ids_as_fields(as_json: Log) -> None:
    with log_context.bound(job_id=7):
        log_context.bind(attempt=2, step=1)
        as_json.logger.info("hello")
    as_json.logger.info("later")
    inside, outside = map(json.loads, as_json.text.splitlines())
    assert (inside["job_id"], inside["attempt"], inside["step"]) == (7, 2, 1)
    assert not {"job_id", "attempt", "step"} & set(outside)


def test_json_has_what_is_said_beside_the_message(as_json: Log) -> None:
    said = {"customer": 7, "price": Decimal("1.50"), "rate": float("nan"), "data": [1, {"a": None}], "task_id": "other"}
    with log_context.bound(task_id="ours"):
        as_json.logger.info("paid", extra={**said, "level": "none"})
    found = json.loads(as_json.text, parse_constant=pytest.fail)
    assert {name: found[name] for name in said} == {**said, "price": "1.50", "rate": "nan", "task_id": "ours"}
    assert (found["level"], found["message"]) == ("INFO", "paid")
    assert not {"args", "msg", "context", "process", "taskName"} & set(found)


def test_what_celery_says_of_a_task_has_its_id(as_json: Log) -> None:
    as_json.logger.info("Task %(name)s[%(id)s] received", {"name": "add", "id": "t-1"}, extra={"data": {"id": "t-1"}})
    assert json.loads(as_json.text)["task_id"] == "t-1"


def test_requests_do_not_see_each_others_ids() -> None:
    async def one(number: int) -> object:
        log_context.bind(request_id=str(number))
        await asyncio.sleep(0)
        return await asyncio.to_thread(lambda: log_context.current()["request_id"])

    async def many() -> list[object]:
        return await asyncio.gather(*map(one, range(20)))

    assert asyncio.run(many()) == [str(number) for number in range(20)]
    assert log_context.current() == {}


def shown(written: bytes, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> list[str]:
    """The lines on the terminal after a program has written this."""
    monkeypatch.setattr(sys, "stdout", sys.__stdout__)
    console = Console()
    thread = threading.Thread(target=console._follow, args=("worker", io.BytesIO(written)))
    thread.start()
    thread.join()
    console.flush()
    return capfd.readouterr().out.removesuffix("\n").split("\n")


@pytest.mark.parametrize("text", [text for text in NASTY if "\n" not in text])
def test_the_console_obeys_no_program(
    text: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (line,) = shown(f"{text}\n".encode(errors="surrogateescape"), monkeypatch, capfd)
    assert line.startswith("worker  | ")
    assert is_harmless(line)


def test_the_rest_of_a_long_line_does_not_look_like_one(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    lines = shown(b"x" * LINE_LIMIT + FORGED.encode() + b"\nnext\n", monkeypatch, capfd)
    assert lines == ["worker  | " + "x" * LINE_LIMIT, f"worker  |     {FORGED}", "worker  | next"]


def test_a_line_has_the_time_that_logging_gives_it(plain: Log) -> None:
    for created in (1_700_000_000.0, 1_700_000_000.999, 1_700_000_001.001, 1_699_999_999.5, 1_700_000_001.25):
        record = logging.makeLogRecord({"created": created, "msecs": round(created % 1 * 1000), "levelno": 20})
        plain.logger.handle(record)
        assert plain.text.splitlines()[-1].startswith(logging.Formatter().formatTime(record))


class Slow(io.StringIO):
    """A stream that, when it is written to for the first time, has others log before it is done."""

    def __init__(self, meanwhile: Callable[[], object]) -> None:
        super().__init__()
        self.meanwhile: Callable[[], object] | None = meanwhile

    def write(self, text: str) -> int:
        """Write it when the others have gone on."""
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()
        return super().write(text)


def test_no_thread_waits_for_what_another_one_writes() -> None:
    logger = logging.Logger("background.test")  # noqa: LOG001  (one that nobody else has)

    def others() -> None:
        threads = [threading.Thread(target=logger.info, args=(f"other {number}",)) for number in range(3)]
        for thread in threads:
            thread.start()
            thread.join(30)
            assert not thread.is_alive()

    stream = Slow(others)
    logger.addHandler(LineHandler(stream))
    logger.info("first")
    logger.info("last")
    assert stream.getvalue().splitlines() == ["first", "other 0", "other 1", "other 2", "last"]


def test_who_wants_no_access_log_has_none() -> None:
    config = uvicorn.Config("main:app", access_log=False)
    access = logging.getLogger("uvicorn.access")
    with kept_loggers():
        config.configure_logging()
        configure("text")
        assert not access.hasHandlers()
        uvicorn.Config("main:app").configure_logging()
        configure("text")
        configure("text")  # another application of the same process
        assert access.hasHandlers()


@contextmanager
def kept_loggers() -> Iterator[None]:
    """All loggers are as they were at the end."""
    loggers = [
        logging.getLogger(),
        *(each for each in logging.root.manager.loggerDict.values() if isinstance(each, logging.Logger)),
    ]
    before = [(each, list(each.handlers), each.level, each.propagate) for each in loggers]
    yield
    for logger, handlers, level, propagate in before:
        logger.handlers[:] = handlers
        logger.setLevel(level)
        logger.propagate = propagate
