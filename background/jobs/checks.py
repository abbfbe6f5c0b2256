"""Whether what a client asks for can be done: its pipeline, and its params by the pipeline's own model."""

import logging
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from background.base import jsontext
from background.base.errors import Invalid, PlaygroundError, TooLarge
from background.base.strict import as_json
from background.jobs import registry
from background.jobs.declared import one_line
from background.jobs.params import read_params
from background.jobs.pipeline import Pipeline, Refused
from background.jobs.schemas import JobRequest

logger = logging.getLogger(__name__)

MAX_PARAMS_BYTES = 256 * 1024
"""How large a job's params may be, as JSON: they are read with every claim and every look at the job."""


def resolve(request: JobRequest, *, where: tuple[str | int, ...] = ("body",)) -> tuple[Pipeline, dict[str, Any]]:
    """The pipeline and its checked parameters. Raises `Invalid` or `TooLarge`: no worker ever meets bad ones."""
    known = registry.pipelines()
    pipeline = known.get(request.pipeline)
    if pipeline is None:
        message = f"There is no pipeline {request.pipeline!r}; there are {', '.join(known)}."
        raise Invalid(message, where=(*where, "pipeline"))
    return pipeline, checked(pipeline, request.params, where=(*where, "params"))


def checked(pipeline: Pipeline, params: dict[str, Any], *, where: tuple[str | int, ...]) -> dict[str, Any]:
    """The parameters as the pipeline's own model has them, defaults included, as JSON.

    Raises `Invalid` with `where` before each path, `TooLarge`, or what the model's own `check` raises of
    `PlaygroundError`.
    """
    text = jsontext.dumps(params)
    if len(text.encode()) > MAX_PARAMS_BYTES:
        path = ".".join(map(str, where[1:]))
        message = f"{path}: the params of a job may have {MAX_PARAMS_BYTES:,} bytes as JSON."
        raise TooLarge(message, code="params_too_large", bytes=MAX_PARAMS_BYTES)
    try:
        found = read_params(pipeline.params, params)
        found.check()
        stored = pipeline.stored(found)
        jsontext.dumps(stored)
    except ValidationError as error:
        raise Invalid.from_pydantic(error, where=where) from None
    except Invalid as error:
        raise Invalid(str(error), errors=[each.below(where) for each in error.errors]) from None
    except PlaygroundError:
        raise
    except Refused as error:
        raise _refused(str(error), where=where) from error
    except BaseException as error:  # whatever the pipeline's own code raises, `sys.exit()` too
        logger.warning("The params of pipeline %s cannot be checked.", pipeline.name, exc_info=True)
        raise _refused(one_line(error), where=where) from error
    return stored


def in_json(said: BaseModel | Mapping[str, Any] | None, *, where: tuple[str | int, ...]) -> dict[str, Any]:
    """The params that somebody has said in Python, as JSON. Raises `Invalid`."""
    try:
        return {} if said is None else as_json(said)
    except ValueError as error:
        raise Invalid(str(error), where=(*where, "params")) from None


def still_accepted(pipeline: Pipeline, params: dict[str, Any]) -> None:
    """Raise `Invalid` where the parameters of an older release are not taken by this one."""
    try:
        pipeline.accept(params)
    except Refused as error:
        raise _refused(str(error), where=("body", "params")) from error


def _refused(reason: str, *, where: tuple[str | int, ...]) -> Invalid:
    reason = jsontext.clean_text(reason)
    return Invalid(reason, where=where, code="params_refused", error=reason)
