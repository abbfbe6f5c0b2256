"""Durable multi-step jobs: PostgreSQL is the truth, a Celery message only wakes a worker.

What a package of one's own imports is here: `Pipeline`, `Params`, `StepContext` and what steps raise and declare, to
say what is to be done, and `enqueue`, to have it done.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from background.jobs.pipeline import (
        EndedJob,
        Limit,
        NoRetry,
        Params,
        Pipeline,
        Rate,
        RetryLater,
        Schedule,
        StepContext,
        exponential,
        fixed,
    )
    from background.jobs.transactional import enqueue

__all__ = [
    "EndedJob",
    "Limit",
    "NoRetry",
    "Params",
    "Pipeline",
    "Rate",
    "RetryLater",
    "Schedule",
    "StepContext",
    "enqueue",
    "exponential",
    "fixed",
]


def __getattr__(name: str) -> Any:
    """Import it when it is asked for: who declares a pipeline needs no server, and no module here all of them."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = "transactional" if name == "enqueue" else "pipeline"
    return getattr(import_module(f"{__name__}.{module}"), name)
