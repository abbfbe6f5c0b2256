"""Which pipelines this process has: those of the modules that `PIPELINES` names."""

import hashlib
import importlib
import inspect
import json
import sys
import sysconfig
import traceback
from collections.abc import Iterator, Mapping
from functools import cache
from types import ModuleType, TracebackType
from typing import Any

from background.jobs.callback import callback
from background.jobs.declared import DeclaredWrong, one_line
from background.jobs.pipeline import Pipeline
from background.jobs.policy import DEFAULT, Policy
from background.settings import get_settings

BUILT_IN = "background.pipelines"
"""The module of those pipelines that come with the application, which stands above this one."""
LIBRARIES = ("<frozen", *(sysconfig.get_path(each) for each in ("stdlib", "purelib", "platlib")))
"""How the files of libraries begin."""


@cache
def modules() -> Mapping[str, list[Pipeline]]:
    """The pipelines in each module that `PIPELINES` names. Raises `DeclaredWrong`."""
    found: dict[str, list[Pipeline]] = {}
    for name in _module_names():
        found[name] = [each for each in vars(_imported(name)).values() if isinstance(each, Pipeline)]
        if not found[name]:
            raise DeclaredWrong(f"PIPELINES: {name} has no pipeline.")
    return found


@cache
def pipelines() -> Mapping[str, Pipeline]:
    """Every pipeline by its name, in the order of declaration. Raises `DeclaredWrong`."""
    found: dict[str, Pipeline] = {}
    for name, here in modules().items():
        for each in here:
            if found.setdefault(each.name, each) is not each:
                raise DeclaredWrong(f"There are two pipelines {each.name!r}; the second is declared in {name}.")
    for each in found.values():
        each.require_complete()
        _require_time(each)
    return found


def is_built_in(pipeline: Pipeline) -> bool:
    """Whether it is one of those that come with the application, whichever module `PIPELINES` finds it in."""
    return getattr(sys.modules.get(BUILT_IN), pipeline.name, None) is pipeline


@cache
def runnable() -> Mapping[str, Pipeline]:
    """What a worker runs: all of these, their hooks, and callbacks. Raises `DeclaredWrong`."""
    found = dict(pipelines())
    for each in (callback, *(hook for pipeline in pipelines().values() for hook in pipeline.hooks.values())):
        if found.setdefault(each.name, each) is not each:
            raise DeclaredWrong(f"There are two pipelines {each.name!r}: one is called when jobs end.")
        _require_time(each)
    return found


@cache
def abilities() -> Mapping[str, dict[str, Any]]:
    """What this release can run: by the name of each pipeline its `steps`, and a digest of its `params` to compare."""
    return {
        name: {"steps": list(pipeline.steps), "params": pipeline.params_digest()}
        for name, pipeline in runnable().items()
    }


def policy(pipeline: str, step: str) -> Policy:
    """What becomes of a step that has failed, as far as this release knows it."""
    known = runnable().get(pipeline)
    return DEFAULT if known is None else known.policy(step)


@cache
def release() -> str:
    """Tells releases apart as far as can be told: a digest of the pipelines and of the code loaded with them."""
    digest = hashlib.sha256(json.dumps(abilities(), sort_keys=True).encode())
    for source in _sources():
        digest.update(source.encode())
    return digest.hexdigest()[:12]


def _module_names() -> list[str]:
    names = [name.strip() for name in get_settings().pipelines.split(",")]
    for name in names:
        if not all(part.isidentifier() for part in name.split(".")):
            raise DeclaredWrong(f"PIPELINES: {name!r} is not the name of a module.")
    return names


def _imported(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except (DeclaredWrong, KeyboardInterrupt):
        raise
    except SyntaxError as error:
        said, place = f"{type(error).__name__}: {error.msg}", f" ({error.filename}:{error.lineno})"
    except BaseException as error:  # noqa: BLE001  (whatever stands in a module, `sys.exit()` too)
        said, place = one_line(error), _place(error)
    raise DeclaredWrong(f"PIPELINES: {name}: {said}{place}")


def _place(error: BaseException) -> str:
    """Where in code that is not a library's an import has failed, as ` (file:line)`."""
    inside: TracebackType | None = error.__traceback__ and error.__traceback__.tb_next
    own = [frame for frame in traceback.extract_tb(inside) if not _is_library(frame.filename)]
    return f" ({own[-1].filename}:{own[-1].lineno})" if own else ""


def _require_time(pipeline: Pipeline) -> None:
    limit = get_settings().job_time_limit
    for step, seconds in pipeline.timeouts.items():
        if seconds > limit:
            what = f"Step {step!r} of pipeline {pipeline.name!r} may take {seconds:g} s"
            raise DeclaredWrong(f"{what}, but JOB_TIME_LIMIT allows {limit:g} s.")


def _sources() -> Iterator[str]:
    """What is loaded of the packages that `PIPELINES` names, and of whatever else is no library."""
    tops = {name.partition(".")[0] for name in _module_names()}
    for name, module in sorted(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file and (name.partition(".")[0] in tops or not _is_library(file)):
            try:
                yield f"{name}\n{inspect.getsource(module)}"
            except (OSError, TypeError):
                continue  # it is compiled


def _is_library(file: str) -> bool:
    return file.startswith(LIBRARIES)
