"""What a pipeline's parameters are made of: read strictly, from JSON and from what Python has of it.

A worker reads what was stored, JSON text, by `background.base.strict.read`. FastAPI parses a body itself and hands on
what Python has of it, of which pydantic's strict rules take no `datetime`, `Decimal` or `tuple`; so in Python what JSON
says is read as JSON.
"""

import json
import re
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any, Final, cast
from uuid import UUID
from weakref import WeakKeyDictionary

from pydantic import ConfigDict, GetCoreSchemaHandler, ValidationError, ValidationInfo, ValidatorFunctionWrapHandler
from pydantic_core import CoreSchema, SchemaValidator, core_schema

from background.base import jsontext
from background.base.strict import Exact, read

_NO_SCHEMA: Final = ("metadata", "serialization", "function", "default")
"""What a part of a schema has beside the schemas of its parts."""
_KNOWN: Final = re.compile(r"pydantic(_core)?(\.|$)|background\.(base\.strict|jobs\.params)$")


def _is_known(function: Any) -> bool:
    """Whether it is one of pydantic's, or of ours."""
    return _KNOWN.match(getattr(function, "__module__", None) or "") is not None


def _with_fields(schema: Any, change: Callable[[CoreSchema, Any], CoreSchema], config: Any = None) -> Any:
    """A copy of a model's schema in which its fields, and their config, are changed so; validators may be around it,
    and within."""
    if schema["type"] == "model-fields":
        return change(schema, config)
    inner = schema["schema"]
    if schema["type"] == "definitions" and inner["type"] == "definition-ref":
        inner = {each["ref"]: each for each in schema["definitions"]}[inner["schema_ref"]]
    return {**schema, "schema": _with_fields(inner, change, schema.get("config", config))}


def _with_validated(schema: Any, change: Callable[[CoreSchema], CoreSchema]) -> Any:
    """A copy of a schema in which what validators give on is changed so: theirs that come before, or are around, it.

    Models and dataclasses in it have rules of their own.
    """
    if isinstance(schema, list):
        return [_with_validated(each, change) for each in schema]
    if not isinstance(schema, dict) or schema.get("type") in ("model", "dataclass"):
        return schema
    found = {name: each if name in _NO_SCHEMA else _with_validated(each, change) for name, each in schema.items()}
    if found.get("type") in ("function-before", "function-wrap") and not _is_known(found["function"]["function"]):
        found["schema"] = change(found["schema"])
    return found


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
        return cast(CoreSchema, _with_fields(handler.resolve_ref_schema(handler(source)), cls._around))

    @classmethod
    def _around(cls, fields: CoreSchema, _: Any) -> CoreSchema:
        fields = _with_validated(fields, lambda inner: _wrapped(_given_on(cls), inner))
        return _wrapped(cls._taken, fields)

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
        whole = _with_fields(schema, note)
        ((fields, config),) = found
        definitions = whole["definitions"] if whole["type"] == "definitions" else []
        inner = fields if take == model._taken else _within(fields, take)
        validators[take] = SchemaValidator(core_schema.definitions_schema(inner, definitions), config)
    return validators[take]


def _within(schema: Any, take: _Take) -> Any:
    """What this function is around somewhere in a schema; `None` where it is not there."""
    if isinstance(schema, list | tuple):
        return next((found for each in schema if (found := _within(each, take)) is not None), None)
    if not isinstance(schema, dict):
        return None
    if schema.get("type") == "function-wrap" and schema["function"]["function"] is take:
        return schema["schema"]
    return _within([each for name, each in schema.items() if name not in _NO_SCHEMA], take)


def runs_own_code(model: type[Params]) -> bool:
    """Whether to read this model is to call somebody's functions, which may take their time, beside pydantic's."""
    return model.check is not Params.check or _has_functions(model.__pydantic_core_schema__)


def _has_functions(schema: Any) -> bool:
    """Whether a core schema has such functions: validators, serializers, `__init__`s. Defaults are quick."""
    if isinstance(schema, dict):
        if schema.get("custom_init") or schema.get("post_init"):
            return True
        return any(_has_functions(each) for key, each in schema.items() if key not in ("metadata", "default_factory"))
    if isinstance(schema, list | tuple):
        return any(map(_has_functions, schema))
    if isinstance(schema, type) or not callable(schema):
        return False
    return not _is_known(schema)


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
