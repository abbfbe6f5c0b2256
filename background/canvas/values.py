"""What a task is given when it begins and what it returns: checked, before anything is made of it."""

from typing import Any

from pydantic import ValidationError

from background.base import exact
from background.base.errors import said
from background.base.jsontext import MAX_DEPTH, text_deeper_than
from background.settings import get_settings
from background.task_names import CATALOGUE


class InvalidArgument(Exception):
    """What an earlier task has handed on is not what this one takes."""


class ResultTooLarge(Exception):
    """The task returned more than `MAX_OUTPUT_BYTES`."""


class ResultTooDeep(Exception):
    """The task returned what is nested deeper than a client may be sent."""


def check_arguments(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Raise `InvalidArgument` unless the task can be called with this."""
    if (model := CATALOGUE.get(name)) is None:  # type: ignore[call-overload]  # a StrEnum is as good as its text
        return
    names = list(model.model_fields)
    if len(args) > len(names):
        raise InvalidArgument(f"It takes {', '.join(names)}, but was given {len(args)} arguments.")
    try:
        model.model_validate({**dict(zip(names, args, strict=False)), **kwargs})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise InvalidArgument(f"{place}: {said(first)}.") from None


def result_text(result: Any) -> str:
    """A result as Celery serialises it. Raises what is wrong with it."""
    text = exact.dumps(result)
    limit = get_settings().max_output_bytes
    if len(text) > limit:
        raise ResultTooLarge(f"The result has {len(text)} bytes; MAX_OUTPUT_BYTES allows {limit}.")
    if text_deeper_than(MAX_DEPTH, text):
        raise ResultTooDeep(f"The result is nested deeper than {MAX_DEPTH}.")
    return text
