"""What the application itself says of a failure, and the same as facts again."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from background.jobs import causes, states
from background.jobs.attempt import shortened
from background.jobs.causes import CauseCode
from background.jobs.deadline import timed_out

WHOLE = some.integers(0, 10**9)
VALUES: dict[str, some.SearchStrategy[Any]] = {
    "seconds": some.floats(0.001, 86_400).map(lambda seconds: float(f"{seconds:g}")),
    "error": some.text(min_size=1),
    **dict.fromkeys(("step", "job", "size", "limit", "times"), WHOLE),
}


@pytest.mark.parametrize("code", CauseCode)
@given(data=some.data())
def test_what_is_said_is_read_again(code: CauseCode, data: some.DataObject) -> None:
    values = {name: data.draw(each) for name, each in VALUES.items() if f"{{{name}" in causes.SENTENCES[code]}
    assert causes.read(causes.kept(code, **values)) == {"code": code, **values}


def test_what_states_decides_is_known() -> None:
    held: dict[str, Any] = {"failures": 0, "max_attempts": 3}
    outcomes = [
        states.timed_out(2, seconds=30, pause=1, **held),
        states.timed_out(2, seconds=30, blocks="here", pause=1, **held),
        states.lost(silent=1, **held),
        states.cancelled(),
        states.stopped(),
        states.held_up((7, 2)),
        states.held_up(None),
    ]
    found = [causes.read(each.message) for each in outcomes]
    assert found == [
        {"code": "timed_out", "step": 2, "seconds": 30},
        {"code": "timed_out_blocking", "step": 2, "seconds": 30},
        {"code": "lost"},
        {"code": "cancelled_in_step"},
        {"code": "worker_stopped"},
        {"code": "blocked", "job": 7, "step": 2},
        {"code": "blocked_by_another"},
    ]


def test_what_is_raised_in_a_step_is_known_as_it_is_kept() -> None:
    error = timed_out("Step 2", 1.5)
    assert causes.read(f"{type(error).__name__}: {error}") == {"code": "timed_out", "step": 2, "seconds": 1.5}
    cut = shortened(causes.kept(CauseCode.OUTPUT_NOT_STORABLE, error="x" * 9_000), 4_000)
    assert (causes.read(cut) or {})["code"] == CauseCode.OUTPUT_NOT_STORABLE


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "ValueError: Step 2 took longer than the 30 s it may take.",
        "Step 2 took longer than the 30 s it may take.",
        "RuntimeError: The worker was lost: its lease ran out",
        "The worker was lost: its lease ran out, it says",
        "NoRetry: The step returned more than it may.",
        "TimedOut: Step 2 took longer than the 1e+999 s it may take.",
        "TimedOut: Step 2 took longer than the .e s it may take.",
        f"NoRetry: The step returned what is nested deeper than {'9' * 5_000}.",
        "NoRetry",
    ],
)
def test_what_a_step_has_raised_itself_is_its_own(text: str | None) -> None:
    assert causes.read(text) is None
