"""The application with a pipeline whose steps log, and a path that fails: `PIPELINES=tests.acceptance.talking`.

`uvicorn tests.acceptance.talking:app` serves both.
"""

import logging
from typing import Any

from background.jobs.pipeline import NoRetry, Params, Pipeline, StepContext

logger = logging.getLogger(__name__)


class Words(Params):
    """What a step says, and what it fails of, if it does."""

    says: str = ""
    fails: str = ""


talking = Pipeline("talking", Words, "Says something, then fails of something.")


@talking.step
def say(context: StepContext, params: Words) -> str:
    """Log it."""
    logger.info("said: %s", params.says)
    return params.says


@talking.step
def fail(context: StepContext, params: Words) -> None:
    """Log it, and fail."""
    logger.info("said again: %s", params.says)
    if params.fails:
        try:
            raise RuntimeError(params.fails)
        except RuntimeError:
            logger.exception("it failed: %s", params.fails)
        raise NoRetry(params.fails)


def __getattr__(name: str) -> Any:
    # Only the API asks for it: a worker does not import the API.
    if name != "app":
        raise AttributeError(name)
    from main import app

    @app.get("/fails")
    def fails(text: str) -> None:
        raise RuntimeError(text)

    return app
