"""Which pipelines this process has: those of the modules that `PIPELINES` names."""

import hashlib
import importlib
import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from background.jobs.pipeline import DeclaredWrong, Pipeline
from background.settings import get_settings


@cache
def pipelines() -> Mapping[str, Pipeline]:
    """Every pipeline by its name, in the order of declaration. Raises `DeclaredWrong`."""
    found: dict[str, Pipeline] = {}
    for name in get_settings().pipelines.split(","):
        try:
            module = importlib.import_module(name.strip())
        except ModuleNotFoundError as error:
            raise DeclaredWrong(f"PIPELINES: {error}") from None
        for each in vars(module).values():
            if isinstance(each, Pipeline) and found.setdefault(each.name, each) is not each:
                raise DeclaredWrong(f"There are two pipelines {each.name!r}; the second is declared in {name.strip()}.")
    return found


@cache
def abilities() -> Mapping[str, dict[str, Any]]:
    """What this release can run: by the name of each pipeline its `steps`, and the digest of its `params`."""
    return {
        name: {"steps": list(pipeline.steps), "params": pipeline.params_digest}
        for name, pipeline in pipelines().items()
    }


@cache
def release() -> str:
    """What tells releases apart: a digest of the pipelines."""
    return hashlib.sha256(json.dumps(abilities(), sort_keys=True).encode()).hexdigest()[:12]
