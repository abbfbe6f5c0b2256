"""What a step returns, as JSON, and as what later steps are given of it: in the type that the step declares.

JSON's own types are stored and given back as they are, and where nothing is declared anything that has a form in JSON
is stored in that form. Other types (`Decimal`, `datetime`, `UUID`, enumerations, models, dataclasses, bytes) come back
as themselves where the step's annotation names them: pydantic writes and reads them.
"""

import collections.abc
import dataclasses
import inspect
import json
import re
import types
import typing
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from functools import partial
from typing import Annotated, Any, Literal, NewType, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, SecretBytes, SecretStr, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError, to_jsonable_python

from background.base import jsontext
from background.base.errors import said
from background.base.strict import hides

_AS_TEXT = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64", ser_json_inf_nan="constants")
_SCALARS = (None, type(None), Any, object, str, int, float, bool, typing.NoReturn, typing.Never)
_ARRAYS = (list, collections.abc.Sequence, collections.abc.Iterable)
_OBJECTS = (dict, collections.abc.Mapping)
_UNEXPECTED = re.compile(
    r"Expected `(.+?)` - .*?\[(?:field_name='(.*?)', )?input_value=.*, input_type=(\w+)\]", re.DOTALL
)
_BYTES_AS_UTF8 = '"format": "binary"'


class NotStorable(Exception):
    """A type that cannot be stored, or a value; the text says why, as a sentence about it."""


class Codec:
    """How the output of one step's `function` is written and read. Raises `NotStorable` for what it declares."""

    def __init__(self, function: Callable[..., Any], *, is_async: bool = False) -> None:
        """`is_async`, whether it is an `async def`, is kept with it."""
        self.function = function
        self.is_async = is_async
        declared = _declared(function)
        self._adapter: TypeAdapter[tuple[Any]] | None = None if _is_json(declared) else _adapter(declared)
        self._several = _several(declared)

    def dumps(self, value: Any) -> str:
        """Its JSON text. Raises `NotStorable`."""
        try:
            if self._adapter is None:
                text = jsontext.as_kept(jsontext.dumps(value, default=_form))
                if (twice := _twice(value)) is not None:
                    raise NotStorable(f"It has the key {twice} twice, as JSON writes it.")
                return text
            (plain,) = self._adapter.dump_python((value,), mode="json", warnings="error")
            text = jsontext.as_kept(jsontext.dumps(plain))
            (found,) = _read(self._adapter, text)  # a later step must be able to
            if lost := _lost(value, found, several=self._several):
                raise NotStorable(lost)
        except RecursionError:
            raise NotStorable("It is nested too deeply.") from None
        except (ValueError, TypeError, PydanticSerializationError) as error:
            raise NotStorable(_sentence(error)) from None
        return text

    def loads(self, value: Any) -> Any:
        """What a later step gets of the stored JSON `value`. Raises `NotStorable` for one that is of another type."""
        if self._adapter is None:
            return value
        try:
            return _read(self._adapter, json.dumps(value))[0]
        except ValueError as error:
            raise NotStorable(_sentence(error)) from None


class Outputs(Mapping[str, Any]):
    """The outputs of the earlier steps by name, each in the type that its step declares."""

    def __init__(self, stored: Mapping[str, Any], codec: Callable[[str], Codec | None]) -> None:
        """`stored` are the JSON values, and `codec` gives how that of a step is read; `None`: as it is."""
        self._stored = stored
        self._codec = codec
        self._read: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        """Raises `KeyError` for a step that has not ended, and `NotStorable` where an older release's differs."""
        if name not in self._read:
            stored, codec = self._stored[name], self._codec(name)
            try:
                found = stored if codec is None else codec.loads(stored)
                # What this step changes in it must not reach the next, which may run elsewhere.
                self._read[name] = json.loads(json.dumps(found)) if found is stored else found
            except NotStorable as error:
                what = f"The output of {name!r} is not of the type that the step declares."
                raise NotStorable(f"{what} {error}") from None
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._stored)

    def __len__(self) -> int:
        return len(self._stored)

    def __repr__(self) -> str:
        return f"Outputs({dict(self._stored)!r})"


def _declared(function: Any) -> Any:
    """What a function's annotation says that it returns; `Any` without one."""
    while isinstance(function, partial):
        function = function.func
    function = inspect.unwrap(function)
    if not hasattr(function, "__annotations__"):
        function = type(function).__call__
    try:
        found = getattr(function, "__annotations__", {}).get("return", Any)
        if isinstance(found, str):
            # Alone: what the other annotations name may not be there at run time, and nobody needs it.
            holder = types.SimpleNamespace(__annotations__={"return": found})
            found = typing.get_type_hints(holder, getattr(function, "__globals__", {}), include_extras=True)["return"]
    except Exception as error:  # noqa: BLE001  (annotations are anybody's code)
        raise NotStorable(f"its annotation cannot be read: {_sentence(error)}") from None
    return found


def _is_json(declared: Any) -> bool:
    """Whether all that it allows is what JSON has."""
    origin, inner = get_origin(declared), get_args(declared)
    if isinstance(declared, NewType):
        return _is_json(declared.__supertype__)
    if isinstance(declared, TypeVar) or declared in _SCALARS or declared in _ARRAYS or declared in _OBJECTS:
        return True
    if origin is Literal:
        return all(each is None or type(each) in (str, int, bool) for each in inner)
    if origin in (Union, types.UnionType, *_ARRAYS):
        return all(map(_is_json, inner))
    if origin in _OBJECTS:
        return inner[0] in (str, Any) and _is_json(inner[1])
    return typing.is_typeddict(declared) and all(map(_is_json, typing.get_type_hints(declared).values()))


def _within(declared: Any, *aliases: Any) -> Iterator[Any]:
    """An annotation, and all that it is made of; what a `type` statement names is looked at once."""
    yield declared
    if get_origin(declared) is not Literal and declared not in aliases:
        aliased = [declared.__value__] if hasattr(declared, "__value__") else []
        for each in (*get_args(declared), *aliased):
            yield from _within(each, *aliases, *([declared] if aliased else []))


def _several(declared: Any) -> Set[type]:
    """All types that are named, where several are allowed of which not all are JSON's; else none.

    Of what is stored nobody could tell then which of them it was. Nor where anything is allowed somewhere, which comes
    back as JSON.
    """
    named = list(_within(declared))
    if not any(map(_is_mixed, named)) or any(each in (Any, object, *_ARRAYS, *_OBJECTS) for each in named):
        return frozenset()
    return {kind for each in named if isinstance(kind := get_origin(each) or each, type)}


def _is_mixed(declared: Any) -> bool:
    inner = get_args(declared)
    several = get_origin(declared) in (Union, types.UnionType) and len({*inner} - {type(None)}) > 1
    return several and not all(map(_is_json, inner))


def _why_unreadable(declared: Any) -> str | None:
    """Why values of a type cannot be read from JSON again, though they can be written."""
    origin, inner = get_origin(declared), get_args(declared)
    if origin is Literal and not _is_json(declared):
        return "of which JSON has no literals: name the enumeration, or bytes"
    if origin in (collections.abc.Iterable, collections.abc.Generator):
        return "which is read once alone: name a list"
    if origin not in (None, Literal, Annotated) and isinstance(origin, type) and issubclass(origin, Mapping):
        key = inner[0] if inner else Any
        if any(map(_is_no_key, (key, *get_args(key)))):
            return "of which JSON has no keys: those are texts"
    return next(filter(None, map(_why_unreadable, inner if origin is not Literal else ())), None)


def _is_no_key(declared: Any) -> bool:
    """Whether a value of this type is written as a key from which nobody reads it."""
    kind = get_origin(declared) or declared
    if kind is None or not isinstance(kind, type):
        return kind is None
    return issubclass(kind, type(None) | tuple | list | frozenset | BaseModel) or dataclasses.is_dataclass(kind)


def _twice(value: Any) -> str | None:
    """A key that an object somewhere in it would have twice, since JSON's keys are texts: 1 and "1"."""
    left = [value]
    while left:
        part = left.pop()
        if isinstance(part, dict):
            if not all(isinstance(key, str) for key in part):
                written = Counter(key if isinstance(key, str) else json.dumps(key) for key in part)
                if len(written) < len(part):
                    return repr(written.most_common(1)[0][0])
            part = part.values()
        elif not isinstance(part, list | tuple):
            continue
        left += [each for each in part if isinstance(each, dict | list | tuple)]
    return None


def _read(adapter: "TypeAdapter[tuple[Any]]", text: str) -> tuple[Any]:
    # Models are written by the names of their fields, unless they say that it is to be by alias.
    return adapter.validate_json(f"[{text}]", by_alias=True, by_name=True)


_ANOTHER = "It would come back as another type. Declare one, or a model that has a field for each."


def _lost(value: Any, found: Any, *, several: Set[type]) -> str | None:
    """What of the value would not come back, as a sentence: it is of no type, or has more than the one declared.

    Where `several` types are declared also what would come back as another one of them.
    """
    pairs: list[tuple[Any, Any]] = []
    why: str | None
    if type(value) in several and type(value) is not type(found):
        why = _ANOTHER
    elif _has_fields(found) or (several and _has_fields(value)):
        why = _lost_fields(value, found, exactly=bool(several))
        pairs = [] if why else [(getattr(value, name), getattr(found, name)) for name in _fields(value)]
    elif isinstance(value, Mapping) and isinstance(found, Mapping):
        why = f"Of its {len(value)} keys {len(found)} would come back." if len(found) < len(value) else None
        keys = {key: key for key in found} if several else {}
        pairs = [(each, found.get(key)) for key, each in value.items() if key in found]
        pairs += [(key, keys.get(key)) for key in value] if several else []
    elif isinstance(value, list | tuple) and isinstance(found, list | tuple):
        why = _ANOTHER if several and isinstance(value, list) is not isinstance(found, list) else None
        pairs = list(zip(value, found, strict=False))
    else:
        why = _ANOTHER if several and value != found else None
    return why or next(filter(None, (_lost(*pair, several=several) for pair in pairs)), None)


def _lost_fields(value: Any, found: Any, *, exactly: bool) -> str | None:
    related = isinstance(value, type(found)) or isinstance(found, type(value))
    if not related or (exactly and type(value) is not type(found)):
        return _ANOTHER
    if more := [name for name in _fields(value) if name not in _fields(found)]:
        return f"It is a {type(value).__qualname__}, whose {', '.join(more)} a {type(found).__qualname__} has not."
    if unread := [name for name in _unread(value) if getattr(value, name) != getattr(found, name)]:
        return f"Its {', '.join(unread)} would come back as another value: a field that is init=False is not read."
    return None


def _has_fields(value: Any) -> bool:
    return isinstance(value, BaseModel) or (dataclasses.is_dataclass(value) and not isinstance(value, type))


def _fields(value: Any) -> Sequence[str]:
    if isinstance(value, BaseModel):
        return [*type(value).model_fields]
    return [each.name for each in dataclasses.fields(value) if hasattr(value, each.name)]


def _unread(value: Any) -> Sequence[str]:
    return [each.name for each in dataclasses.fields(value) if not each.init] if dataclasses.is_dataclass(value) else []


def _adapter(declared: Any) -> "TypeAdapter[tuple[Any]]":
    try:
        # In a tuple, since only then a dataclass of the standard library is written as this says.
        adapter = TypeAdapter(tuple[declared], config=_AS_TEXT)
        described = adapter.json_schema(mode="serialization")
        schema = json.dumps(described)
    except Exception as error:  # noqa: BLE001  (annotations are anybody's code)
        raise NotStorable(f"it returns {_name(declared)}, which has no form in JSON: {_sentence(error)}") from None
    if hides(described):
        raise NotStorable(f"it returns {_name(declared)}, which hides a secret: only asterisks would be stored.")
    if why := _why_unreadable(declared):
        raise NotStorable(f"it returns {_name(declared)}, {why}.")
    if _BYTES_AS_UTF8 in schema:
        how = "model_config = ConfigDict(ser_json_bytes='base64', val_json_bytes='base64')"
        raise NotStorable(f"it returns {_name(declared)}, whose bytes would be stored as UTF-8. Give that model {how}.")
    return adapter


def _form(value: Any) -> Any:
    """The form in JSON of what has one. Raises `TypeError`."""
    if isinstance(value, Iterator | SecretStr | SecretBytes):  # of a secret it is asterisks
        raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")
    try:
        return to_jsonable_python(value, bytes_mode="base64", inf_nan_mode="constants")
    except PydanticSerializationError:
        raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable") from None


def _name(declared: Any) -> str:
    return declared.__qualname__ if isinstance(declared, type) and not get_args(declared) else repr(declared)


def _sentence(error: BaseException) -> str:
    """What is wrong, without pydantic's address for more."""
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"][1:]))
        return f"{where}: {said(first)}." if where else f"{said(first)}."
    if unexpected := _UNEXPECTED.search(str(error)):
        declared, place, kind = unexpected.groups()
        return f"{f'{place}: ' if place else ''}Expected {declared}, and it is {kind}."
    # What more pydantic says is for whoever writes types for it.
    lines = [line.strip() for line in str(error).partition(" Set `arbitrary_types_allowed")[0].splitlines()]
    return " ".join(line for line in lines if line and "errors.pydantic.dev" not in line) or type(error).__name__
