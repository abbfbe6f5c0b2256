"""JSON that gives back what went in: the serializer of messages and results, and how its text is read for a client.

Celery's own reads a dictionary `{"__type__": …, "__value__": …}` as an object of Python (kombu/utils/json.py), whoever
wrote it: an unknown type makes a message undecodable, a known one comes back as something else. Such dictionaries are
written as a type of their own here; all other text is kombu's, so whoever reads kombu's JSON reads this.
"""

import json
import re
from typing import Any

from kombu.serialization import register as register_serializer
from kombu.utils import json as kombu_json

NAME = "json"
MARKER = "literal"
_TYPE, _VALUE = "__type__", "__value__"
_KEYS = {_TYPE, _VALUE}


class _Literal:
    """Stands for the type of a dictionary that only looks like kombu's."""


def dumps(value: Any) -> str:
    """The text of `value`, ASCII alone. Raises `TypeError` or `ValueError` for what JSON has not."""
    text: str = kombu_json.dumps(value)
    return text if f'"{_TYPE}"' not in text else kombu_json.dumps(_escaped(value))


def loads(text: str | bytes) -> Any:
    """The value whose text this is."""
    return kombu_json.loads(text)


def shown(text: str | None) -> Any:
    """The value as a client is told it: NaN, Infinity and half a surrogate pair, which JSON has not, as text."""
    if text is None:
        return None
    value = json.loads(text, parse_constant=str, object_hook=_plain if f'"{MARKER}"' in text else None)
    return _printable(value) if "\\ud" in text else value


_ESCAPE = re.compile(r"\\(u[0-9a-f]{4}(?:\\ud[c-f][0-9a-f]{2})?|u[0-9a-f]{0,3}$|$|.)", re.DOTALL)


def beginning(text: str, most: int) -> str:
    """The first characters of a value's text, to be read by people: letters stand in place of their escapes."""
    return _ESCAPE.sub(_letter, text[:most])


def _letter(escape: re.Match[str]) -> str:
    code = escape[1]
    if code[:1] != "u":
        return escape[0] if code else ""
    if len(code) < 5:  # it was cut in its middle
        return ""
    letter: str = json.loads(f'"{escape[0]}"')
    return letter if letter.isprintable() else escape[0]


def register() -> None:
    """Make it what Celery calls "json" in this process."""
    kombu_json.register_type(_Literal, MARKER, lambda _: None, dict)  # type: ignore[arg-type]
    register_serializer(NAME, dumps, loads, content_type="application/json", content_encoding="utf-8")


def _escaped(value: Any) -> Any:
    if isinstance(value, dict):
        found = {key: _escaped(each) for key, each in value.items()}
        return {_TYPE: MARKER, _VALUE: list(found.items())} if found.keys() == _KEYS else found
    return [_escaped(each) for each in value] if isinstance(value, list | tuple) else value


def _plain(found: dict[str, Any]) -> Any:
    return dict(found[_VALUE]) if found.keys() == _KEYS and found[_TYPE] == MARKER else found


def _printable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {_printable(key): _printable(each) for key, each in value.items()}
    return [_printable(each) for each in value] if isinstance(value, list) else value
