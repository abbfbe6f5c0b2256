"""What a pipeline's parameters are made of: read strictly, from JSON and from what Python has of it.

A worker reads what was stored, JSON text, by `background.base.strict.read`. FastAPI parses a body itself and hands on
what Python has of it, of which pydantic's strict rules take no `datetime`, `Decimal` or `tuple`; so in Python what JSON
says is read as JSON.
"""

import json
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any, cast
from uuid import UUID
from weakref import WeakKeyDictionary

from pydantic import ConfigDict, GetCoreSchemaHandler, ValidationError, ValidationInfo, ValidatorFunctionWrapHandler
from pydantic_core import CoreSchema, SchemaValidator, core_schema

from background.base import jsontext
from background.base.core_schemas import has_functions, with_fields, with_validated, within, without
from background.base.strict import Exact, read

_Take = Callable[[Any, ValidatorFunctionWrapHandler, ValidationInfo], Any]


def _wrapped(take: _Take, inner: CoreSchema) -> CoreSchema:
    return core_schema.with_info_wrap_validator_function(take, inner)


def _given_on(model: "type[Params]") -> _Take:
    """What takes for one place in a model what a validator has given on there: as JSON says it, or a value of Python.

    For pydantic it is one of Python in any case, of which strict rules would take no more than that.
    """

    def take(value: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
        try:
            text = jsontext.dumps(value)
        except ValueError:
            return handler(value)
        # A tuple, say, is none of what JSON has, and is not to become a list.
        if info.mode == "python" or json.loads(text) != value:
            try:
                return handler(value)
            except ValidationError:
                pass
        return _of_json(model, take).validate_json(text, context=info.context, by_alias=True, by_name=True)

    return take


class Params(Exact):
    """Base of a pipeline's parameters: no unknown field, no number given as a string, no NaN or Infinity.

    Override `check` for what only the outside world can tell, e.g. whether a document exists. A field with an alias may
    be given by either name, and is stored by its own.
    """

    model_config = ConfigDict(validate_by_alias=True, validate_by_name=True)

    def check(self) -> None:
        """Raise `background.base.errors.Invalid` when a job with these parameters could not succeed."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """As any model's; in Python its fields may be as JSON says them as well, as FastAPI has them of a body."""

        def around(fields: CoreSchema, _: Any) -> CoreSchema:
            given = with_validated(fields, lambda inner: _wrapped(_given_on(cls), inner), handler.resolve_ref_schema)
            return _wrapped(cls._taken, given)

        return cast(CoreSchema, with_fields(handler.resolve_ref_schema(handler(source)), around))

    @classmethod
    def _taken(cls, value: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
        """What is made of the fields; a validator of the model that comes before them may have given what it likes."""
        if info.mode == "python":
            try:
                return handler(value)
            except ValidationError:
                if not (isinstance(value, dict) and jsontext.is_json(value)):
                    raise
        # In JSON, too, the handler would go by the rules of Python, since it is given what was parsed.
        try:
            return read(cls, value, by=partial(_of_json(cls, cls._taken).validate_json, context=info.context))
        except ValidationError:
            raise
        except (TypeError, ValueError):
            return handler(value)


def read_params(model: type[Params], value: Any) -> Params:
    """`value`, which JSON has a form of, as this model, by `background.base.strict.read`. Raises as that does."""
    return read(model, value, by=_native(model))


_NATIVE: WeakKeyDictionary[type[Params], tuple[CoreSchema, Callable[..., Params]]] = WeakKeyDictionary()


def _native(model: type[Params]) -> Callable[..., Params]:
    """What reads this model from JSON. Where none of it is somebody's own code, pydantic needs no help of ours with
    JSON, and takes an eighth of the time."""
    schema = model.__pydantic_core_schema__
    known, by = _NATIVE.get(model, (None, model.model_validate_json))
    if known is not schema:
        by = model.model_validate_json
        if not has_functions(schema):
            ours = Params._taken.__func__  # type: ignore[attr-defined]
            by = SchemaValidator(without(schema, ours), _use_prebuilt=False).validate_json
        _NATIVE[model] = schema, by
    return by


_OF_JSON: WeakKeyDictionary[type[Params], tuple[CoreSchema, dict[_Take, SchemaValidator]]] = WeakKeyDictionary()


def _of_json(model: type[Params], take: _Take) -> SchemaValidator:
    """What reads from JSON, as that of any other model is read, what this function of a model's schema is around."""
    schema = model.__pydantic_core_schema__
    known, validators = _OF_JSON.get(model, (None, {}))
    if known is not schema:
        validators = {}
        _OF_JSON[model] = schema, validators
    if take not in validators:
        found: list[tuple[CoreSchema, Any]] = []

        def note(fields: CoreSchema, config: Any) -> CoreSchema:
            found.append((fields, config))
            return fields

        # Around the fields is `_taken`, which is no part of them.
        whole = with_fields(schema, note)
        ((fields, config),) = found
        definitions = whole["definitions"] if whole["type"] == "definitions" else []
        inner = fields if take == model._taken else within(fields, take)
        validators[take] = SchemaValidator(core_schema.definitions_schema(inner, definitions), config)
    return validators[take]


def runs_own_code(model: type[Params]) -> bool:
    """Whether to read this model is to call somebody's functions, which may take their time, beside pydantic's."""
    return model.check is not Params.check or has_functions(model.__pydantic_core_schema__)


class EndedJob(Params):
    """A job as it has ended, with which its hooks are called: its `result` as JSON, or the `error` that ended it."""

    id: int
    task_id: UUID
    pipeline: str
    status: str
    params: dict[str, Any]
    result: Any
    error: str | None
    attempt: int
    created_at: datetime
    finished_at: datetime
