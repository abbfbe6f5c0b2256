"""What the application itself says of a failure, and the same as facts."""

from typing import Any

import pytest

from background.jobs import causes, states
from background.jobs.causes import SENTENCES, Cause, CauseCode
from background.jobs.pipeline import NoRetry


@pytest.mark.parametrize("code", CauseCode)
def test_what_is_raised_with_a_cause_says_its_sentence_and_has_its_facts(code: CauseCode) -> None:
    names = ("step", "job", "size", "limit", "times", "seconds", "error", "reason")
    values = {name: 7 for name in names if f"{{{name}" in SENTENCES[code]}
    error = NoRetry(Cause(code, **values))
    assert causes.raised(error) == {"code": code, **values}
    assert str(error) == SENTENCES[code].format(**values)


def test_what_states_decides_has_its_facts() -> None:
    held: dict[str, Any] = {"failures": 0, "max_attempts": 3}
    outcomes = [
        states.timed_out(2, seconds=30, pause=1, **held),
        states.timed_out(2, seconds=30, blocks="here", pause=1, **held),
        states.lost(silent=1, **held),
        states.cancelled(),
        states.stopped(),
        states.overtaken(),
        states.held_up((7, 2)),
        states.held_up(None),
        states.waits("429", seconds=1),
    ]
    assert [each.cause for each in outcomes] == [
        {"code": "timed_out", "step": 2, "seconds": 30},
        {"code": "timed_out_blocking", "step": 2, "seconds": 30},
        {"code": "lost"},
        {"code": "cancelled_in_step"},
        {"code": "worker_stopped"},
        {"code": "overtaken"},
        {"code": "blocked", "job": 7, "step": 2},
        {"code": "blocked_by_another"},
        {"code": "retry_later", "reason": "429"},
    ]
    assert {type(each.message) for each in outcomes} == {str}


@pytest.mark.parametrize("error", [NoRetry(), NoRetry("The worker was lost: its lease ran out"), KeyError(1)])
def test_what_a_step_has_raised_itself_is_its_own_however_it_sounds(error: BaseException) -> None:
    assert causes.raised(error) is None
