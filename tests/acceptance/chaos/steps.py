"""A pipeline under faults whose steps wait without a slot, ask to be run later, log, and act once. None of it fails."""

import asyncio

from background.jobs.pipeline import Params, Pipeline, RetryLater, StepContext


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
