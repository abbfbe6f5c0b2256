"""What may become of a job, without any server."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from background.jobs import states
from background.jobs.policy import Backoff
from background.jobs.states import ENDED, EventKind, JobStatus

COUNTS = st.integers(1, 100)
JITTER = st.floats(0, 1)


@given(COUNTS, JITTER)
def test_backoff_doubles_from_one_second_to_a_minute(failures: int, jitter: float) -> None:
    full = min(2 ** (failures - 1), 60)
    assert full / 2 <= Backoff().seconds(failures, chance=jitter) <= full


@given(COUNTS, COUNTS, st.booleans(), JITTER)
def test_an_error_ends_a_job_at_its_limit_or_where_trying_again_is_no_use(
    failures: int, limit: int, retryable: bool, pause: float
) -> None:
    outcome = states.failed(
        "Error", error=None, failures=failures - 1, max_attempts=limit, retryable=retryable, pause=pause
    )
    goes_on = retryable and failures < limit
    assert outcome.status is (JobStatus.PENDING if goes_on else JobStatus.FAILED)
    assert outcome.delay == (pause if goes_on else 0)
    assert (outcome.kind, outcome.is_failure) == (EventKind.STEP_FAILED, True)


@given(COUNTS, COUNTS, JITTER)
def test_a_step_that_has_timed_out_has_failed(failures: int, limit: int, pause: float) -> None:
    counts: dict[str, Any] = {"failures": failures - 1, "max_attempts": limit, "pause": pause}
    outcome = states.timed_out(2, seconds=1.5, **counts)
    message = "TimedOut: Step 2 took longer than the 1.5 s it may take."
    cause = {"code": "timed_out", "step": 2, "seconds": 1.5}
    assert outcome == states.failed(message, error=None, cause=cause, retryable=True, **counts)


@given(COUNTS, COUNTS)
def test_a_loss_goes_on_at_once_below_the_limit(failures: int, limit: int) -> None:
    outcome = states.lost(failures=failures - 1, max_attempts=limit, silent=1.5)
    assert outcome.status is (JobStatus.PENDING if failures < limit else JobStatus.FAILED)
    assert (outcome.delay, outcome.is_failure, outcome.silent) == (0, True, 1.5)


def test_what_is_nobodys_fault_is_no_failure() -> None:
    assert (states.overtaken().status, states.cancelled().status) == (JobStatus.PENDING, JobStatus.CANCELLED)
    assert not states.overtaken().is_failure
    assert (states.stopped().status, states.stopped().is_failure) == (JobStatus.PENDING, False)
    assert not states.cancelled().is_failure
    later = states.waits("429", seconds=30)
    assert (later.status, later.delay, later.is_failure) == (JobStatus.PENDING, 30, False)


@pytest.mark.parametrize("status", JobStatus)
@pytest.mark.parametrize("from_step", [None, 1, 2, 3])
def test_only_what_has_ended_is_retried_and_no_step_is_skipped(status: JobStatus, from_step: int | None) -> None:
    completed = "abc" if status is JobStatus.COMPLETED else "a"
    job: dict[str, Any] = {"status": status, "step_names": list("abc"), "completed": completed}
    reason = states.why_no_retry(**job, from_step=from_step)
    allowed = status in ENDED and (from_step is not None if status is JobStatus.COMPLETED else from_step != 3)
    assert (reason is None) == allowed
    if from_step is not None:
        assert (from_step <= (states.last_from_step(**job) or 0)) == allowed


def test_what_a_new_plan_has_put_in_front_is_not_skipped_by_a_retry() -> None:
    job: dict[str, Any] = {"status": JobStatus.FAILED, "step_names": ["new", "a", "b"], "completed": {"a"}}
    assert states.last_from_step(**job) == 1
    assert states.why_no_retry(**job, from_step=2) == {"why": "step_too_far", "step": 2, "done": 0}


def test_what_may_be_asked_of_a_job() -> None:
    def allowed(status: JobStatus, completed: str = "a", *, cancel_requested: bool = False) -> list[str]:
        found = states.actions(
            status=status, step_names=list("abc"), completed=completed, cancel_requested=cancel_requested
        )
        return [str(each) for each in found]

    assert allowed(JobStatus.PENDING) == allowed(JobStatus.IN_PROGRESS) == ["cancel"]
    assert allowed(JobStatus.IN_PROGRESS, cancel_requested=True) == []
    assert allowed(JobStatus.FAILED) == allowed(JobStatus.CANCELLED) == ["retry", "delete"]
    assert allowed(JobStatus.COMPLETED, "abc") == allowed(JobStatus.FAILED, "abc") == ["delete"]
