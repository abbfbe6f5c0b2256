"""What a pipeline's parameters are made of: read strictly, from JSON and from what Python has of it.

A worker reads what was stored, JSON text, by `background.base.strict.read`. FastAPI parses a body itself and hands on
what Python has of it, of which pydantic's strict rules take no `datetime`, `Decimal` or `tuple`; so in Python what JSON
says is read as JSON.
"""

import json
import re
from datetime import datetime
from typing import Any, Final, cast
from uuid import UUID
from weakref import WeakKeyDictionary

from pydantic import ConfigDict, GetCoreSchemaHandler, ValidationError, ValidationInfo, ValidatorFunctionWrapHandler
from pydantic_core import CoreSchema, SchemaValidator, core_schema

from background.base import jsontext
from background.base.strict import Exact, read


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
        """As any model's; in Python it takes as well what JSON says of it, as FastAPI has it of a body."""
        schema: Any = {**handler.resolve_ref_schema(handler(source))}
        # What refers to this model means all of it.
        ref = schema.pop("ref", None)
        return core_schema.with_info_wrap_validator_function(cls._taken, schema, ref=ref)

    @classmethod
    def _taken(cls, value: Any, handler: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
        if info.mode == "json":
            # The handler would go by the rules of Python, since it is given what was parsed.
            return _of_json(cls).validate_json(json.dumps(value), by_alias=True, by_name=True, context=info.context)
        try:
            return handler(value)
        except ValidationError as error:
            if not (isinstance(value, dict) and jsontext.is_json(value)):
                raise
            refused = error
        found = read(cls, value, by=_of_json(cls).validate_json)
        try:
            # By way of the handler, which may be about to fill an instance that there is already.
            return handler({name: getattr(found, name) for name in found.model_fields_set})
        except Exception:  # noqa: BLE001  (a validator of its own may know only what comes from outside)
            raise refused from None


_KNOWN: Final = re.compile(r"pydantic(_core)?(\.|$)|background\.(base\.strict|jobs\.params)$")
_OF_JSON: WeakKeyDictionary[type[Params], tuple[CoreSchema, SchemaValidator]] = WeakKeyDictionary()


def _of_json(model: type[Params]) -> SchemaValidator:
    """What reads this model from JSON as any other is read: what its `_taken` is around."""
    schema = model.__pydantic_core_schema__
    known, validator = _OF_JSON.get(model, (None, None))
    if validator is None or known is not schema:
        # What is built already of this very model would call `_taken` again.
        validator = SchemaValidator(_within_taken(schema, model), _use_prebuilt=False)
        _OF_JSON[model] = schema, validator
    return validator


def _within_taken(schema: Any, model: type[Params]) -> CoreSchema:
    """What `_taken` of this model is around; validators of its own may be around that, and are called anyway."""
    if schema["type"] == "definitions":
        known = {each["ref"]: each for each in schema["definitions"]}
        whole = schema["schema"]
        found = _within_taken(known[whole["schema_ref"]] if whole["type"] == "definition-ref" else whole, model)
        return cast(CoreSchema, {**schema, "schema": found})
    if schema["type"] == "function-wrap" and schema["function"]["function"] == model._taken:
        return cast(CoreSchema, schema["schema"])
    return _within_taken(schema["schema"], model)


def runs_own_code(model: type[Params]) -> bool:
    """Whether to read this model is to call somebody's functions, which may take their time, beside pydantic's."""
    return model.check is not Params.check or _has_functions(model.__pydantic_core_schema__)


def _has_functions(schema: Any) -> bool:
    """Whether such functions are anywhere in a core schema: validators, serializers, defaults, `__init__`s."""
    if isinstance(schema, dict):
        if schema.get("custom_init") or schema.get("post_init"):
            return True
        return any(_has_functions(each) for key, each in schema.items() if key != "metadata")
    if isinstance(schema, list | tuple):
        return any(map(_has_functions, schema))
    return (
        callable(schema)
        and not isinstance(schema, type)
        and not _KNOWN.match(getattr(schema, "__module__", None) or "")
    )


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
