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


def _parts(schema: Any, *, but: tuple[str, ...] = _NO_SCHEMA) -> list[Any]:
    """What is in a schema, or in a list of them, apart from what has these names; fields may have any name."""
    if isinstance(schema, list | tuple):
        return list(schema)
    if not isinstance(schema, dict):
        return []
    fields = schema.get("fields")
    found = [each for name, each in schema.items() if name not in but and name != "fields"]
    return found + list(fields.values() if isinstance(fields, dict) else fields or ())


def _with_parts(schema: Any, change: Callable[[Any], Any]) -> Any:
    """A copy of a schema, or of a list of them, in which its parts are changed so."""
    if isinstance(schema, list | tuple):
        return type(schema)(map(change, schema))
    if not isinstance(schema, dict):
        return schema
    found = {name: each if name in _NO_SCHEMA else change(each) for name, each in schema.items()}
    if isinstance(fields := schema.get("fields"), dict):
        found["fields"] = {name: change(each) for name, each in fields.items()}
    return found


def _with_validated(
    schema: Any, change: Callable[[CoreSchema], CoreSchema], resolve: Callable[[CoreSchema], CoreSchema]
) -> Any:
    """A copy of a schema in which what validators give on is changed so: theirs that come before, or are around, it.

    `resolve` gives the schema that another one refers to. Models, and dataclasses of pydantic's, have rules of
    their own. What a schema says of itself within itself stays as it is.
    """
    named: list[str] = []

    def copied(part: Any) -> Any:
        if _is_called(part, "definition-ref"):
            return part if part["schema_ref"] in named else referred(part)
        if _is_called(part, "model") or (_is_called(part, "dataclass") and hasattr(part["cls"], "__pydantic_config__")):
            return part
        found = _with_parts(part, copied)
        if _is_called(found, "function-before", "function-wrap") and not _is_known(found["function"]["function"]):
            found["schema"] = change(found["schema"])
        return found

    def referred(reference: Any) -> Any:
        whole = cast(dict[str, Any], resolve(reference))
        named.append(reference["schema_ref"])
        found = copied(whole)
        named.pop()
        if found == whole:
            return reference
        return {name: each for name, each in found.items() if name != "ref"}

    return copied(schema)


def _is_called(schema: Any, *types: str) -> bool:
    """Whether this schema is of a validator of such a type."""
    return isinstance(schema, dict) and schema.get("type") in types


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
            given = _with_validated(fields, lambda inner: _wrapped(_given_on(cls), inner), handler.resolve_ref_schema)
            return _wrapped(cls._taken, given)

        return cast(CoreSchema, _with_fields(handler.resolve_ref_schema(handler(source)), around))

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
        if not _has_functions(schema):
            by = SchemaValidator(_without_ours(schema), _use_prebuilt=False).validate_json
        _NATIVE[model] = schema, by
    return by


def _without_ours(schema: Any) -> Any:
    """A copy of a core schema in which nothing is around the fields of a `Params`."""
    if _is_called(schema, "function-wrap") and getattr(schema["function"]["function"], "__func__", None) is _OURS:
        return _without_ours(schema["schema"])
    return _with_parts(schema, _without_ours)


_OURS: Final = getattr(Params._taken, "__func__", None)
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
    if _is_called(schema, "function-wrap") and schema["function"]["function"] is take:
        return schema["schema"]
    return next((found for each in _parts(schema) if (found := _within(each, take)) is not None), None)


def runs_own_code(model: type[Params]) -> bool:
    """Whether to read this model is to call somebody's functions, which may take their time, beside pydantic's."""
    return model.check is not Params.check or _has_functions(model.__pydantic_core_schema__)


def _has_functions(schema: Any) -> bool:
    """Whether a core schema has such functions: validators, serializers, `__init__`s. Defaults are quick."""
    if isinstance(schema, dict) and (schema.get("custom_init") or schema.get("post_init")):
        return True
    if isinstance(schema, type) or not callable(schema):
        return any(map(_has_functions, _parts(schema, but=("metadata", "default_factory"))))
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
