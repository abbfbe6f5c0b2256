"""Pipelines under faults: with steps that wait, ask to be run later, log and act once; limited, queued, with hooks.

Only `hooked` fails, where it is asked to.
"""

import asyncio
import time

from background.jobs.pipeline import EndedJob, Limit, Params, Pipeline, Rate, RetryLater, StepContext

SECOND_QUEUE = "second"


class OddParams(Params):
    """How long its first step waits."""

    seconds: float = 0


odd = Pipeline("odd", OddParams)


@odd.step
async def wait(context: StepContext, params: OddParams) -> None:
    """Hold no slot."""
    context.progress(0.5)
    await asyncio.sleep(params.seconds)


@odd.step(max_attempts=100)
def act(context: StepContext, params: OddParams) -> int:
    """Act once, and ask for another attempt after it."""
    context.log("acting")
    first: int = context.once("act", lambda: context.attempt)
    if first == context.attempt:
        raise RetryLater(0.1, "once more")
    return first


@odd.step
async def told(context: StepContext, params: OddParams) -> bool:
    """Whether the effect was of an attempt before."""

    async def answer() -> int:
        await asyncio.sleep(0)
        return int(context.outputs["act"])

    return await context.aonce("tell", answer) < context.attempt


class Work(Params):
    """How long the one step works, for whom, and whether it fails then."""

    seconds: float = 0
    customer: int = 0
    fail: bool = False


def work(context: StepContext, params: Work) -> None:
    """Work so long."""
    time.sleep(params.seconds)
    if params.fail:
        raise RuntimeError("as asked")


# The audit has the same figures.
few = Pipeline("few", Work, limits=[Limit(concurrency=2)])
by_customer = Pipeline("by_customer", Work, limits=[Limit(concurrency=1, key="customer")])
rated = Pipeline("rated", Work, limits=[Rate(count=2, seconds=1)])
elsewhere = Pipeline("elsewhere", Work, queue=SECOND_QUEUE)
hooked = Pipeline("hooked", Work)
for each in (few, by_customer, rated, elsewhere, hooked):
    each.step(work)


@hooked.on_success
async def thank(context: StepContext, job: EndedJob) -> int:
    """The job that has ended."""
    return job.id


@hooked.on_failure
def regret(context: StepContext, job: EndedJob) -> int:
    """The same."""
    return job.id
