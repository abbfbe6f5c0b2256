"""What a terminal of few columns shows is all there, and can be read."""

import io
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rich.console import Console

from background.cli import tables
from background.cli.bars import JobsView, JobView
from background.cli.errors import ExitCode, failed
from background.cli.session import Given, Session
from background.client.errors import refused
from tests.support import wait_for

NOW = datetime.now(UTC)
TRACEBACK = """Traceback (most recent call last):
  File "/srv/shop/pipelines.py", line 34, in charge
RuntimeError: The card was declined, and nobody was told."""
WHY = "It is not due yet: it may begin in 287 s."


def job(**more: Any) -> dict[str, Any]:
    """As the API tells of one."""
    begun = {"started_at": str(NOW - timedelta(seconds=67)), "completed_at": None}
    step = {"step_number": 1, "name": "charge", "status": "IN_PROGRESS", "attempt": 1, "progress": 0.5, "message": "m"}
    event = {"number": 4, "at": str(NOW), "kind": "step_completed", "step_name": "charge", "attempt": 1}
    told = {
        "id": 41,
        "pipeline": "orders",
        "status": "IN_PROGRESS",
        "attempt": 1,
        "max_attempts": 3,
        "priority": 0,
        "params": {},
        "result": None,
        "error": None,
        "waiting_for": None,
        "worker": None,
        "running_seconds": 1.5,
        "created_at": str(NOW),
        "started_at": str(NOW - timedelta(hours=1)),
        "finished_at": None,
        "cut": [],
        "step_names": ["charge"],
        "steps": [{**step, **begun}],
        "events": [{**event, "worker": "celery@somewhere", "error": TRACEBACK, "message": None}],
    }
    return {**told, **more}


def terminal(width: int, *, kind: str = "xterm") -> Console:
    """One with so many columns, whose text is kept."""
    environ = {"TERM": kind}
    return Console(
        file=io.StringIO(), width=width, force_terminal=True, color_system=None, highlight=False, _environ=environ
    )


def shown(console: Console) -> str:
    """All that was written to it."""
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_nothing_of_a_table_is_cut(width: int) -> None:
    console = terminal(width)
    console.print(tables.jobs_table([job(error=TRACEBACK.splitlines()[-1])]), tables.job_details(job()))
    text = shown(console)
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width
    assert {"status", "attempt", "IN_PROGRESS", "orders", "charge", "step_completed", "nobody"} <= set(text.split())


@pytest.mark.parametrize("width", [60, 80])
def test_a_traceback_has_the_width_of_the_terminal(width: int) -> None:
    console = terminal(width)
    console.print(tables.job_details(job()))
    assert all(f"    {line}" in shown(console) for line in TRACEBACK.splitlines()[:2])


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_bars_leave_room_for_what_is_said(width: int) -> None:
    console = terminal(width)
    with JobView(console, "Job 41", ["charge", "배송"]) as view:
        view.show(job(waiting_for=WHY, steps=[]))
    text = shown(console)
    assert "…" not in text
    words = iter(text.split())
    assert all(word in words for word in WHY.split())


def test_how_long_is_by_the_times_of_the_api() -> None:
    console = terminal(100)
    ended = {**job()["steps"][0], "status": "COMPLETED", "completed_at": str(NOW - timedelta(seconds=5))}
    with JobView(console, "Job 41", ["charge"]) as view:
        view.show(job(steps=[ended]))
    assert "COMPLETED 0:01:02" in shown(console)
    console = terminal(100)
    with JobsView(console) as all_jobs:
        all_jobs.reset([job()])
    assert re.search(r"\b[1-9]:\d\d:\d\d", shown(console))  # An hour ago when this module was read.


def test_a_time_to_wait_goes_by_without_an_event() -> None:
    waits = job(status="PENDING", waiting_for=WHY, waiting={"code": "not_due", "seconds": 0.3}, steps=[])
    with JobView(one := terminal(80), "Job 41", ["charge"]) as view:
        view.show(waits)
        wait_for(lambda: "It is due." in shown(one), what="the end of the wait")
    with JobsView(every := terminal(80)) as all_jobs:
        all_jobs.reset([waits])
        wait_for(lambda: "It is due." in shown(every), what="the end of the wait")


def test_where_nothing_can_move_each_change_is_a_line() -> None:
    with JobView(shell := terminal(80, kind="dumb"), "Job 41", ["charge"]) as view:
        view.show(job())
        assert "step 1 IN_PROGRESS" in shown(shell)


def test_a_remark_stands_above_what_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session(Given(url="http://127.0.0.1:1"))
    session.out, session.err = terminal(80), terminal(80)
    with JobView(session.out, "Job 41", ["charge"]):
        session.interrupted("It cannot be reached.")
    assert "It cannot be reached. Trying again for a while." in shown(session.out)
    session.err = Console(file=io.StringIO())
    session.note("For a log.")
    assert shown(session.err) == "For a log.\n"


def test_asking_too_often_is_no_fault_of_what_was_asked() -> None:
    assert failed(refused(429, b"", retry_after="1")).code == ExitCode.UNAVAILABLE
    assert failed(refused(413, b"", retry_after=None)).code == ExitCode.INVALID


def test_what_the_sentence_says_is_said_once() -> None:
    told = b'{"detail": "No pipeline.", "errors": [{"loc": ["body", "pipeline"], "msg": "No pipeline."}]}'
    assert failed(refused(422, told, retry_after=None)).details == ()
