"""Pipelines with hooks, which write down with what they were called: for `test_hooks`."""

import os
import signal
from pathlib import Path
from typing import Any

from background.jobs.pipeline import EndedJob, NoRetry, Params, Pipeline, StepContext, fixed


class OrderParams(Params):
    """`fail` makes the step fail; `how` says what the hook does when it is called for the first time."""

    notes: str
    fail: bool = False
    how: str = ""


order = Pipeline("order", OrderParams)


@order.step
def pay(context: StepContext, params: OrderParams) -> dict[str, int]:
    """Pay, or not."""
    if params.fail:
        raise NoRetry("no money")
    return {"paid": 3}


def note(context: StepContext, job: EndedJob) -> None:
    """Write it down."""
    with (Path(job.params["notes"]) / str(job.id)).open("a") as file:
        file.write(f"{context.key} {job.pipeline} {job.status} {job.result} {job.error}\n")


@order.on_success
def thank(context: StepContext, job: EndedJob) -> str:
    """Die, or fail, when that is asked for and has not been done."""
    died = Path(job.params["notes"]) / f"{job.id}.died"
    if job.params["how"] and not died.exists():
        died.touch()
        if job.params["how"] == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        raise OSError("the mail is down")
    note(context, job)
    return "thanked"


@order.on_failure(max_attempts=2, backoff=fixed(0))
async def regret(context: StepContext, job: EndedJob) -> Any:
    """An async one."""
    note(context, job)


@order.on_failure
def never(context: StepContext, job: EndedJob) -> None:
    """A second one, which always fails."""
    raise NoRetry("nobody to tell")
