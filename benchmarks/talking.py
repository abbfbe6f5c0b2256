"""A pipeline for `logs`: one step that waits in the event loop of its worker, and may log meanwhile."""

import asyncio

from background.jobs.pipeline import Params, Pipeline, StepContext

PIECE_SECONDS = 0.1


class Talk(Params):
    """How many lines it logs a second, and for how many seconds it waits."""

    lines: int
    seconds: float


talk = Pipeline("talk", Talk, "Waits, and may log meanwhile.")


@talk.step
async def wait(context: StepContext, params: Talk) -> None:
    """Wait in pieces, and log the lines of each."""
    for piece in range(int(params.seconds / PIECE_SECONDS)):
        await asyncio.sleep(PIECE_SECONDS)
        for line in range(int(params.lines * PIECE_SECONDS)):
            context.log(f"line {line} of piece {piece}")
