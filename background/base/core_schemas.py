"""What is asked of pydantic's core schemas, and changed in copies of them: nested dictionaries by which it validates.

`pydantic_core.core_schema` describes them.
"""

import re
from collections.abc import Callable
from functools import partial
from typing import Any, Final, cast

from pydantic_core import CoreSchema

_NO_SCHEMA: Final = ("metadata", "serialization", "function", "default")
"""What a part of a schema has beside the schemas of its parts."""
_KNOWN: Final = re.compile(r"pydantic(_core)?(\.|$)|background\.(base\.strict|jobs\.params)$")


def _is_known(function: Any) -> bool:
    """Whether it is one of pydantic's, or of ours."""
    return _KNOWN.match(getattr(function, "__module__", None) or "") is not None


def with_fields(schema: Any, change: Callable[[CoreSchema, Any], CoreSchema], config: Any = None) -> Any:
    """A copy of a model's schema in which its fields, and their config, are changed so; validators may be around it,
    and within."""
    if schema["type"] == "model-fields":
        return change(schema, config)
    inner = schema["schema"]
    if schema["type"] == "definitions" and inner["type"] == "definition-ref":
        inner = {each["ref"]: each for each in schema["definitions"]}[inner["schema_ref"]]
    return {**schema, "schema": with_fields(inner, change, schema.get("config", config))}


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


def with_validated(
    schema: Any, change: Callable[[CoreSchema], CoreSchema], resolve: Callable[[CoreSchema], CoreSchema]
) -> Any:
    """A copy of a schema in which what validators give on is changed so: theirs that come before, or are around, it.

    `resolve` gives the schema that another one refers to. Models, and dataclasses of pydantic's, have rules of
    their own. What a schema says of itself within itself stays as it is.
    """
    named: list[str] = []

    def copied(part: Any) -> Any:
        if _is_of(part, "definition-ref"):
            return part if part["schema_ref"] in named else referred(part)
        if _is_of(part, "model") or (_is_of(part, "dataclass") and hasattr(part["cls"], "__pydantic_config__")):
            return part
        found = _with_parts(part, copied)
        if _is_of(found, "function-before", "function-wrap") and not _is_known(found["function"]["function"]):
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


def _is_of(schema: Any, *types: str) -> bool:
    """Whether it is a schema of one of these types."""
    return isinstance(schema, dict) and schema.get("type") in types


def within(schema: Any, function: object) -> Any:
    """What this function is around somewhere in a schema; `None` where it is not there."""
    if _is_of(schema, "function-wrap") and schema["function"]["function"] is function:
        return schema["schema"]
    return next((found for each in _parts(schema) if (found := within(each, function)) is not None), None)


def holds(schema: Any, *types: str) -> bool:
    """Whether a schema of one of these types is somewhere in it."""
    return _is_of(schema, *types) or any(holds(each, *types) for each in _parts(schema))


def has_functions(schema: Any) -> bool:
    """Whether it calls functions of somebody's: validators, serializers, `__init__`s. Defaults are quick."""
    if isinstance(schema, dict) and (schema.get("custom_init") or schema.get("post_init")):
        return True
    if isinstance(schema, type) or not callable(schema):
        return any(map(has_functions, _parts(schema, but=("metadata", "default_factory"))))
    return not _is_known(schema)


def without(schema: Any, function: object) -> Any:
    """A copy of a schema in which this function, of whichever class, is around nothing."""
    if _is_of(schema, "function-wrap") and getattr(schema["function"]["function"], "__func__", None) is function:
        return without(schema["schema"], function)
    return _with_parts(schema, partial(without, function=function))
