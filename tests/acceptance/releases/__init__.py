"""Two releases of the same product, as `PIPELINES` of a process: each is a module of pipelines.

Every step gives its own name and its release as its output, so that one sees which function has run.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import create_model

from background.jobs.pipeline import Params, Pipeline, StepContext

FIRST, SECOND, SHOP = (f"tests.acceptance.releases.{name}" for name in ("first", "second", "shop"))
Upgrade = Callable[[dict[str, Any]], dict[str, Any]]


def step_of(name: str, release: str) -> Callable[[StepContext, Params], dict[str, Any]]:
    """A step of this name, which takes the job's `seconds`."""

    def step(context: StepContext, params: Params) -> dict[str, Any]:
        time.sleep(getattr(params, "seconds", 0.0))
        return {"ran": name, "release": release, "key": context.key, "seen": sorted(context.outputs)}

    step.__name__ = name
    return step


def pipeline(
    name: str,
    steps: Sequence[str],
    release: str,
    *,
    fields: Mapping[str, Any] | None = None,
    upgrade: Upgrade | None = None,
) -> Pipeline:
    """A pipeline of such steps, whose parameters have these fields besides `seconds`."""
    model = create_model("P", __base__=Params, seconds=(float, 0.0), **dict(fields or {}))
    found = Pipeline(name, model, f"{name} of release {release}", upgrade=upgrade)
    for each in steps:
        found.step(step_of(each, release))
    return found
