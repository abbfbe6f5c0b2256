"""The base of what clients send: nothing is guessed."""

import json
from collections.abc import Callable, Collection, Mapping, Set
from functools import lru_cache
from typing import Any, Self, TypeVar, cast

from pydantic import (
    BaseModel,
    ConfigDict,
    ModelWrapValidatorHandler,
    RootModel,
    SecretBytes,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_core import to_jsonable_python

from background.base import jsontext
from background.base.core_schemas import has_functions, holds

MOST_UNKNOWN = 100
"""How many unknown fields are named one by one; of more only the first is."""


class Exact(BaseModel):
    """No unknown field, no number given as a string, no NaN or Infinity.

    To be read by `read`, as JSON: what JSON has no form of its own for is taken in the one that pydantic writes.
    """

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class Strict(Exact):
    """The same for a body that has been parsed already.

    An integer may be written as 24.0, which is one in JSON Schema (draft 2020-12, 4.2.3).
    """

    @model_validator(mode="wrap")
    @classmethod
    def _take_integers(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        value = _few_unknown(cls, value)
        try:
            return handler(value)
        except ValidationError as error:
            return handler(_with_integers(value, error))


Model = TypeVar("Model", bound=BaseModel)


def read(model: type[Model], value: Any, *, by: Callable[..., Model] | None = None) -> Model:
    """A value that JSON has a form of, as this model, which takes 24.0 for an integer as well.

    A field with an alias may have either name. Raises `ValidationError`, and `ValueError` for what is not JSON. (A
    validator around a model would be given what was parsed, of which strict rules take no `datetime`, `Decimal` or
    `tuple`.)
    """
    value = _few_unknown(model, value)
    by = by or model.model_validate_json
    try:
        return by(json.dumps(value, allow_nan=False), by_alias=True, by_name=True)
    except ValidationError as error:
        return by(json.dumps(_with_integers(value, error)), by_alias=True, by_name=True)


def hides(schema: dict[str, Any]) -> bool:
    """Whether this JSON Schema describes a secret, of which only asterisks would be written."""
    return '"writeOnly": true' in json.dumps(schema)


def written(model: BaseModel) -> dict[str, Any]:
    """A model as `read` takes it: JSON, by the names of its fields, without what is computed of them.

    What is in a set stands in one order, so that the same is written by every process.
    """
    found = model.model_dump(mode="json", by_alias=False, round_trip=True)
    return cast("dict[str, Any]", _in_order(model, found)) if _may_have_sets(type(model)) else found


@lru_cache(maxsize=1000)
def _may_have_sets(model: type[BaseModel]) -> bool:
    """Whether a set may be in it: by its types, or by what somebody's functions give."""
    schema = model.__pydantic_core_schema__
    return holds(schema, "set", "frozenset", "any", "is-instance") or has_functions(schema)


def _in_order(value: Any, found: Any) -> Any:
    """What was `found` to be the JSON of this value, with its sets in order; as it is where the two are no match."""
    if isinstance(value, RootModel):
        value = value.root
    if isinstance(found, dict) and isinstance(value, Mapping):
        same = len(found) == len(value)
        pairs = zip(found.items(), value.values(), strict=True) if same else ()
        return {**found, **{name: _in_order(part, each) for (name, each), part in pairs}}
    if isinstance(found, dict):
        return {name: _in_order(getattr(value, name, None), each) for name, each in found.items()}
    if isinstance(found, list) and isinstance(value, Collection) and len(found) == len(value):
        inner = [_in_order(part, each) for part, each in zip(value, found, strict=True)]
        return sorted(inner, key=_place) if isinstance(value, Set) else inner
    return found


def _place(each: Any) -> tuple[bool, float, str]:
    """By which what is in a set is put in order: numbers first."""
    is_number = isinstance(each, int | float)
    return not is_number, each if is_number else 0, "" if is_number else json.dumps(each, sort_keys=True)


def as_json(said: BaseModel | Mapping[str, Any]) -> dict[str, Any]:
    """What somebody has said in Python, as JSON: a model of ours, or names and values that have a form in it.

    Raises `ValueError` in a sentence.
    """
    if not isinstance(said, BaseModel | Mapping):
        raise ValueError(f"It must be a model or a dictionary, not {type(said).__name__}.")
    try:
        named = written(said) if isinstance(said, Exact) else dict(said)
    except ValueError as error:  # bytes that are no text, and what a serializer of its own raises
        raise ValueError(f"It has no form in JSON: {error}") from None
    found: dict[str, Any] = json.loads(jsontext.dumps(named, default=form))
    return found


def form(value: Any) -> Any:
    """The form in JSON of a value that is no JSON itself. Raises `TypeError`."""
    if not isinstance(value, SecretStr | SecretBytes):  # its form is asterisks
        try:
            return to_jsonable_python(value, by_alias=False, round_trip=True)
        except ValueError:
            pass
    raise TypeError(f"{type(value).__name__} has no form in it")


def _few_unknown(model: type[BaseModel], value: Any) -> Any:
    if not isinstance(value, dict) or len(value) <= len(model.model_fields) + MOST_UNKNOWN:
        return value
    # Each would be an error of its own, and take its time.
    first = next(name for name in value if name not in model.model_fields)
    return {name: each for name, each in value.items() if name in model.model_fields or name == first}


def _with_integers(value: Any, error: ValidationError) -> Any:
    """The value with integers where only their form was wrong. Raises the error where nothing was."""
    places = [each["loc"] for each in error.errors(include_url=False) if _is_integer(each["type"], each["input"])]
    if not places:
        raise error
    for place in places:
        value = _with_integer(value, place)
    return value


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
