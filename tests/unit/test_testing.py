"""A pipeline run in a test's own process: what workers would do with it, without them."""

import asyncio
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from pydantic import Field

from background.base.errors import Invalid
from background.jobs import NoRetry, Params, Pipeline, RetryLater, StepContext, fixed
from background.jobs.pipeline import Cancelled, NotOurs
from background.testing.alone import run_pipeline
from background.testing.run import Run
from tests.support import nested


class Order(Params):
    """What is ordered."""

    cents: int = Field(gt=0)


TWO = "ExceptionGroup: tasks (2 sub-exceptions)"
BOTH = f"{TWO}; ValueError: bad; OSError: worse"


def group(*errors: Exception) -> Exception:
    """As a `TaskGroup` raises them."""
    return ExceptionGroup("tasks", errors)


class Shop:
    """A pipeline, and what it has done outside."""

    def __init__(self, **charging: Any) -> None:
        self.charged: list[str] = []
        self.troubles: list[BaseException] = []
        self.pipeline = pipeline = Pipeline("invoice", Order)

        @pipeline.step
        def write(context: StepContext, params: Order) -> Decimal:
            context.log("written")
            return Decimal(params.cents) / 100

        @pipeline.step(**charging)
        def charge(context: StepContext, params: Order) -> str:
            if self.troubles:
                raise self.troubles.pop(0)
            context.once("charge", lambda: self.charged.append(f"{context.key}: {context.outputs['write']}"))
            context.progress(0.5, "charged")
            return context.key

        @pipeline.step
        async def settle(context: StepContext, params: Order) -> dict[str, Any]:
            await asyncio.sleep(0)
            return {"paid": str(context.outputs["write"]), "by": context.outputs["charge"]}

    def run(self, **options: Any) -> Run:
        """A job of it."""
        return run_pipeline(self.pipeline, {"cents": 490}, **options)


class Speechless(Exception):
    """An error that cannot say what it is."""

    def __str__(self) -> str:
        raise KeyError(self.args)


def kinds(run: Run) -> list[str]:
    """What happened, in order."""
    return [event.kind for event in run.events]


def test_a_job_to_its_end() -> None:
    shop = Shop()
    run = shop.run()
    assert (run.status, run.attempts, run.failures, run.error) == ("COMPLETED", 1, 0, None)
    assert run.result == {"paid": "4.9", "by": "job-1-step-2"}
    assert run.outputs["write"] == Decimal("4.9")
    assert shop.charged == ["job-1-step-2: 4.9"]
    assert [tuple(line) for line in run.logs] == [("write", "INFO", "written")]
    assert [tuple(each) for each in run.progress] == [("charge", 0.5, "charged")]
    assert kinds(run) == ["started", *["step_completed"] * 2, "completed"]


def test_pauses_and_waits_take_no_time_of_the_test() -> None:
    shop = Shop(backoff=fixed(3600), max_attempts=5)
    shop.troubles = [OSError("away"), RetryLater(7200, "busy"), OSError("away")]
    began = time.monotonic()
    run = shop.run(max_attempts=1)
    assert time.monotonic() - began < 60
    assert (run.status, run.attempts, run.failures, run.step_failures["charge"]) == ("COMPLETED", 4, 0, 2)
    assert run.seconds == pytest.approx(4 * 3600, abs=5)
    assert [kind for kind in kinds(run) if kind not in ("started", "step_completed")] == [
        *("step_failed", "retry_later", "step_failed", "completed")
    ]


@pytest.mark.parametrize(
    ("trouble", "options", "attempts", "error"),
    [
        (NoRetry("sold out"), {}, 1, "NoRetry: sold out"),
        (ValueError("bad"), {"retry_on": (OSError,)}, 1, "ValueError: bad"),
        (ValueError("bad"), {}, 3, "ValueError: bad"),
        (SystemExit(3), {}, 3, "SystemExit: 3"),
        (group(ValueError("bad")), {"retry_on": (ValueError,)}, 3, "ValueError: bad"),
        (group(ValueError("bad")), {"retry_on": (OSError,)}, 1, "ValueError: bad"),
        (group(ValueError("bad"), group(OSError("worse"))), {"retry_on": (OSError,)}, 1, BOTH),
        (group(ValueError("bad"), group(OSError("worse"))), {"retry_on": (OSError, ValueError)}, 3, BOTH),
        (group(OSError("bad"), group(NoRetry("sold out"))), {}, 1, "NoRetry: sold out"),
        (group(OSError("bad"), RetryLater(60)), {}, 3, f"{TWO}; OSError: bad; RetryLater: in 60 s"),
        (Speechless(), {}, 3, "Speechless: what it says cannot be read, its __str__ raises KeyError"),
    ],
)
def test_a_job_that_fails(trouble: BaseException, options: dict[str, Any], attempts: int, error: str) -> None:
    shop = Shop(**options)
    shop.troubles = [trouble] * 9
    run = shop.run(max_attempts=3)
    assert (run.status, run.attempts, run.error) == ("FAILED", attempts, error)
    assert kinds(run)[-1] == "failed"
    assert run.result is None
    assert [*run.outputs] == ["write"]


def test_a_group_of_those_that_ask_to_be_run_later_waits_for_the_last() -> None:
    shop = Shop(max_waits=3)
    shop.troubles = [group(RetryLater(60), group(RetryLater(600, "busy"))), group(RetryLater(7))]
    run = shop.run(max_attempts=1)
    assert (run.status, run.failures, kinds(run).count("retry_later")) == ("COMPLETED", 0, 2)
    assert 607 <= run.seconds < 667


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("prepares", ["coroutine", "generator"])
def test_what_a_call_has_only_prepared_has_not_happened(prepares: str, is_async: bool) -> None:
    async def later() -> int:
        return 1

    def yields() -> Any:
        yield 1

    given: Any = {"coroutine": later, "generator": yields}[prepares]
    pipeline = Pipeline("prepared", Params)

    async def asynchronous(context: StepContext, params: Params) -> int:
        found: int = await context.aonce("c", given)
        return found

    def plain(context: StepContext, params: Params) -> int:
        found: int = context.once("c", given)
        return found

    pipeline.step(asynchronous if is_async else plain)
    run = run_pipeline(pipeline)
    if is_async and prepares == "coroutine":
        assert (run.status, run.result) == ("COMPLETED", 1)
    else:
        assert (run.status, run.attempts) == ("FAILED", 1)
        assert run.error
        assert run.error.endswith("Nothing has happened.")
        assert ("await context.aonce" in run.error) is (prepares == "coroutine")


def test_an_effect_of_a_plain_function_is_had_once_where_one_is_awaited() -> None:
    had: list[int] = []
    pipeline = Pipeline("plainly", Params)

    @pipeline.step
    async def charge(context: StepContext, params: Params) -> int:
        def plain() -> Any:
            had.append(1)
            return len(had)

        found: int = await context.aonce("charge", plain)
        if context.attempt == 1:
            raise OSError("behind it")
        return found

    run = run_pipeline(pipeline)
    assert (run.status, run.result, had) == ("COMPLETED", 1, [1])


def test_a_worker_that_dies_behind_an_effect_has_it_once() -> None:
    shop = Shop()
    run = shop.run(lose=["charge", "write"])
    assert (run.status, run.attempts, run.failures) == ("COMPLETED", 3, 2)
    assert len(shop.charged) == 1
    assert kinds(run).count("lost") == 2


def sleeper(seconds: float, **options: Any) -> Pipeline:
    """Two steps that sleep."""
    pipeline = Pipeline("sleeper", Params)
    for name in ("first", "second"):

        def rest(context: StepContext, params: Params) -> None:
            context.sleep(seconds)

        rest.__name__ = name
        pipeline.step(**options)(rest)
    return pipeline


def test_an_effect_is_had_once_by_threads_and_tasks_that_want_it_at_the_same_time() -> None:
    had: list[str] = []
    pipeline = Pipeline("hurried", Params)

    def effect() -> int:
        had.append("thread")
        time.sleep(0.05)
        return len(had)

    @pipeline.step
    def in_threads(context: StepContext, params: Params) -> list[int]:
        with ThreadPoolExecutor(5) as threads:
            return [*threads.map(lambda _: context.once("effect", effect), range(5))]

    @pipeline.step
    async def in_tasks(context: StepContext, params: Params) -> list[int]:
        async def effect() -> int:
            had.append("task")
            await asyncio.sleep(0.05)
            return len(had)

        return await asyncio.gather(*(context.aonce("effect", effect) for _ in range(5)))

    @pipeline.step
    async def within_itself(context: StepContext, params: Params) -> int:
        async def outer() -> int:
            return await context.aonce("effect", inner) + 1

        async def inner() -> int:
            return 1

        return await context.aonce("effect", outer)

    run = run_pipeline(pipeline)
    assert had == ["thread", "task"]
    assert run.outputs == {"in_threads": [1] * 5, "in_tasks": [2] * 5, "within_itself": 2}


def test_a_step_that_takes_too_long_is_tried_again() -> None:
    run = run_pipeline(sleeper(100, timeout=60), max_attempts=2)
    assert (run.status, run.attempts, run.error) == (
        *("FAILED", 2, "TimedOut: Step 1 took longer than the 60 s it may take."),
    )
    assert run.seconds >= 120
    assert run_pipeline(sleeper(59, timeout=60)).status == "COMPLETED"


@pytest.mark.parametrize(("after", "done"), [(0, 0), (50, 0), (150, 1)])
def test_a_job_is_cancelled_where_its_step_looks(after: float, done: int) -> None:
    run = run_pipeline(sleeper(100), cancel_after=after)
    assert (run.status, len(run.outputs), run.seconds) == ("CANCELLED", done, after)
    assert run_pipeline(sleeper(100), cancel_after=201).status == "COMPLETED"


def test_a_job_is_cancelled_while_it_waits_for_another_attempt() -> None:
    shop = Shop(backoff=fixed(3600))
    shop.troubles = [OSError("away")]
    run = shop.run(cancel_after=60)
    assert (run.status, run.attempts) == ("CANCELLED", 1)
    assert run.seconds == pytest.approx(60, abs=5)


def test_an_async_step_is_stopped_where_it_waits_also_in_a_test_that_is_async() -> None:
    pipeline = Pipeline("waits", Params)

    @pipeline.step
    async def rest(context: StepContext, params: Params) -> None:
        await asyncio.sleep(3600)

    async def test() -> Run:
        return run_pipeline(pipeline, cancel_after=0.05)

    assert asyncio.run(test()).status == "CANCELLED"
    assert run_pipeline(pipeline, cancel_after=0.05).status == "CANCELLED"


def test_the_timer_of_a_test_goes_on() -> None:
    def fail(*_: object) -> None:
        raise AssertionError

    before, left = signal.signal(signal.SIGALRM, fail), signal.setitimer(signal.ITIMER_REAL, 1000)[0]
    try:
        Shop().run()
        assert signal.getsignal(signal.SIGALRM) is fail
        assert 900 < signal.getitimer(signal.ITIMER_REAL)[0] <= 1000
    finally:
        signal.signal(signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, left)


def test_an_alarm_of_a_step_s_own_is_not_its_time_out() -> None:
    pipeline = Pipeline("alarmed", Params)

    @pipeline.step(timeout=60, retry_on=(RuntimeError,), max_attempts=3)
    def alarm(context: StepContext, params: Params) -> float:
        if context.attempt == 1:
            signal.setitimer(signal.ITIMER_REAL, 0.01)
            time.sleep(5)
        return signal.getitimer(signal.ITIMER_REAL)[0]

    run = run_pipeline(pipeline)
    assert run.attempts == 2
    assert run.result == pytest.approx(60, abs=5)
    assert [event.message for event in run.events if event.kind == "step_failed"] == [
        "RuntimeError: It was interrupted by an alarm (SIGALRM) that is not that of its time-out."
    ]


@pytest.mark.parametrize(("levels", "status"), [(64, "COMPLETED"), (65, "FAILED")])
def test_what_nobody_could_be_shown_is_no_output(levels: int, status: str) -> None:
    pipeline = Pipeline("nested", Params)

    @pipeline.step
    def nest(context: StepContext, params: Params) -> Any:
        return nested(levels)

    run = run_pipeline(pipeline)
    assert (run.status, run.attempts) == (status, 1)
    assert run.error in (None, "NoRetry: The step returned what is nested deeper than 64.")


@pytest.mark.parametrize(
    "options",
    [{"lose": ["sned"]}, {"lose": "charge"}, {"cancel_after": -1}, {"cancel_after": float("nan")}],
)
def test_what_makes_no_sense_is_told(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"lose names steps|cancel_after takes seconds"):
        Shop().run(**options)
    for attempts in (0, 101, "3"):
        with pytest.raises(Invalid):
            Shop().run(max_attempts=attempts)


def test_what_the_api_refuses_is_refused(run_pipeline: Callable[..., Run]) -> None:
    with pytest.raises(Invalid):
        run_pipeline("demo", {"colour": "red"})
    with pytest.raises(Invalid, match="There is no pipeline 'nothing'"):
        run_pipeline("nothing")
    assert run_pipeline("demo", {"step_seconds": 3600, "fail_at_step": 2}).attempts == 2


def test_a_job_without_end_is_told() -> None:
    shop = Shop(max_attempts=1000, max_waits=1_000_000)
    shop.troubles = [RetryLater(0)] * 20_000
    with pytest.raises(RuntimeError, match="has not ended"):
        shop.run()


def test_params_may_be_what_python_has(run_pipeline: Callable[..., Run]) -> None:
    class Paid(Params):
        price: Decimal
        at: datetime

    paid = Pipeline("paid", Paid)

    @paid.step
    def show(context: StepContext, params: Paid) -> str:
        return f"{params.price} {params.at:%H}"

    given: dict[str, Any] = {"price": Decimal("1.50"), "at": datetime(2026, 1, 1, 12, tzinfo=UTC)}
    assert [run_pipeline(paid, each).result for each in (given, Paid(**given))] == ["1.50 12", "1.50 12"]
    with pytest.raises(Invalid, match="It is not JSON: object has no form in it"):
        run_pipeline(paid, {"price": object()})


@pytest.mark.parametrize("seconds", [-1, float("nan")])
def test_nobody_sleeps_for_what_is_no_time(seconds: float) -> None:
    run = run_pipeline(sleeper(seconds), max_attempts=1)
    assert (run.status, run.seconds) == ("FAILED", 0)
    assert run.error == f"ValueError: context.sleep takes seconds, 0 or more; it was given {seconds!r}."


@pytest.mark.parametrize("raised", [Cancelled, NotOurs])
def test_what_only_the_engine_should_raise_is_a_failure(raised: type[BaseException]) -> None:
    pipeline = Pipeline("raises", Params)

    @pipeline.step
    def plain(context: StepContext, params: Params) -> None:
        raise raised

    run = run_pipeline(pipeline, max_attempts=1)
    assert (run.status, run.error) == ("FAILED", raised.__name__)


def test_an_error_whose_traceback_cannot_be_told_is_a_failure() -> None:
    pipeline = Pipeline("raises", Params)

    @pipeline.step
    def plain(context: StepContext, params: Params) -> None:
        error = SyntaxError("odd", ("file", 1, 1, "text"))
        error.text = 5  # type: ignore[assignment]
        raise error

    assert run_pipeline(pipeline, max_attempts=1).status == "FAILED"
