"""The base of what clients send: nothing is guessed."""

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ModelWrapValidatorHandler, ValidationError, model_validator

MOST_UNKNOWN = 100
"""Of more unknown fields only the first is named."""


class Strict(BaseModel):
    """No unknown field, no number given as a string, no NaN or Infinity.

    An integer may be written as 24.0, which is one in JSON Schema (draft 2020-12, 4.2.3).
    """

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    @model_validator(mode="wrap")
    @classmethod
    def _take_integers(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        if isinstance(value, dict) and len(value) > len(cls.model_fields) + MOST_UNKNOWN:
            # Each would be an error of its own, and take its time.
            first = next(name for name in value if name not in cls.model_fields)
            value = {name: each for name, each in value.items() if name in cls.model_fields or name == first}
        try:
            return handler(value)
        except ValidationError as error:
            places = [
                each["loc"] for each in error.errors(include_url=False) if _is_integer(each["type"], each["input"])
            ]
            if not places:
                raise
            for place in places:
                value = _with_integer(value, place)
            return handler(value)


def _is_integer(kind: str, value: object) -> bool:
    return kind == "int_type" and isinstance(value, float) and value.is_integer()


def _with_integer(value: Any, place: tuple[str | int, ...]) -> Any:
    """A copy with an integer at this place; pydantic's path may also name the member of a union, which is no place."""
    if isinstance(value, float) and not place:
        return int(value)
    for depth, step in enumerate(place):
        if isinstance(value, dict) and step in value:
            return {**value, step: _with_integer(value[step], place[depth + 1 :])}
        if isinstance(value, list) and isinstance(step, int) and step < len(value):
            return [*value[:step], _with_integer(value[step], place[depth + 1 :]), *value[step + 1 :]]
        if isinstance(value, float):
            return int(value)
    return value
