"""What is called when a job has ended: the hooks of its pipeline, and the address that its client gave.

Each call is a job of its own, made by the statement that ends the first one, whichever that is (the trigger
`call_hooks`). So it is there exactly when that has ended, and is claimed, fenced, tried again and seen as any other.
"""

from collections.abc import Sequence
from typing import Any

from background.base.errors import Invalid
from background.jobs import callback
from background.jobs.pipeline import Pipeline
from background.jobs.states import ENDED
from background.settings import get_settings


def called(
    pipeline: Pipeline, callback_url: str | None, *, where: tuple[str | int, ...] = ("body",)
) -> list[dict[str, Any]] | None:
    """What the trigger makes when such a job ends, each `on` some ends; `None` where nothing is called.

    Raises `Invalid` for an address that could not be called.
    """
    found = [_call(hook, on=[status]) for status, hook in pipeline.hooks.items()]
    if callback_url is not None:
        reason = callback.refused(callback_url)
        if reason:
            raise Invalid(reason, where=(*where, "callback_url"), code="callback_refused", error=reason)
        found.append(_call(callback.callback, on=sorted(ENDED), params={"url": callback_url}))
    return found or None


def _call(hook: Pipeline, *, on: Sequence[str], params: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "on": on,
        "pipeline": hook.name,
        **hook.plan(),
        "params": params or {},
        "max_attempts": get_settings().max_attempts,
        "queue": hook.queue,
    }
