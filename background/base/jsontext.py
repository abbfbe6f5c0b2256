"""JSON that every part can hold: RFC 8259 for the client, UTF-8 for the wire, `jsonb` for PostgreSQL."""

import json
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

# PostgreSQL's jsonb has no NUL character; json.dumps writes it as an escape whose backslash is not itself escaped.
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
# Numbers that jsonb has no form of, beside the texts in which the same may stand.
_NUMBER = re.compile(r'"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?e\+\d+|-0\.0(?!\d)')
# Without one of these JSON text holds no NUL, no half of a surrogate pair, and no number that is read as infinite.
_DOUBTFUL = re.compile(r"\\u(?:0000|[dD][89a-fA-F])|[\ud800-\udfff]|NaN|Infinity|[eE]\+?\d{3}|\d{200}")

NO_NUL = r"^[^\x00]*$"
"""Pattern of a text that PostgreSQL can store: its `text` holds no NUL character either."""
MAX_DEPTH = 64
"""How deep arrays and objects may be nested in what a client sends or is sent."""
SHOWN_DEPTH = 200
"""The same of what is told at all: pydantic gives up at 255. Earlier releases have stored deeper values, and what tasks
send makes the tree of a run deeper."""


def holds_more_than(most: int, value: Any) -> bool:
    """Whether there are more values than that in it, itself and those in lists and dictionaries counted."""
    count, level = 1, [value] if isinstance(value, dict | list) else []
    while level and count <= most:
        count += sum(map(len, level))
        below = (each for part in level for each in (part.values() if isinstance(part, dict) else part))
        level = [each for each in below if isinstance(each, dict | list)] if count <= most else []
    return count > most


def deeper_than(limit: int, value: Any) -> bool:
    """Whether lists and dictionaries are nested deeper than `limit` in it. Takes one level at a time: no recursion."""
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(limit):
        if not level:
            return False
        below = [each for part in level for each in (part.values() if isinstance(part, dict) else part)]
        level = [each for each in below if isinstance(each, dict | list)]
    return bool(level)


def text_deeper_than(limit: int, text: str) -> bool:
    """The same of JSON text, which is read only where it may be."""
    return text.count("[") + text.count("{") > limit and deeper_than(limit, json.loads(text))


def as_kept(text: str) -> str:
    """JSON text with its numbers as `jsonb` gives them back: there is no negative zero, and no exponent.

    1e+22 would come back as an integer, which is not even of the same value where the number has more digits than a
    float; 10000000000000000000000.0 stays a float.
    """
    return _NUMBER.sub(_kept, text) if "e+" in text or "-0.0" in text else text


def _kept(found: re.Match[str]) -> str:
    number = found[0]
    if number.startswith('"'):
        return number
    return "0.0" if number == "-0.0" else f"{Decimal(number):f}.0"


def _writer(default: Callable[[Any], Any] | None) -> json.JSONEncoder:
    return json.JSONEncoder(ensure_ascii=False, allow_nan=False, default=default)


_WRITER = _writer(None)  # `json.dumps` makes one for each value, which takes as long as a small value


def dumps(value: Any, *, default: Callable[[Any], Any] | None = None) -> str:
    """The JSON text of `value`; `default` gives what to write in the place of what is not JSON, or raises `TypeError`.

    Raises `ValueError` in one sentence for what is not JSON (NaN, Infinity, other types) or cannot be stored
    (NUL characters, lone surrogates, nesting beyond Python's limit).
    """
    try:
        text = (_WRITER if default is None else _writer(default)).encode(value)
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("It contains half of a surrogate pair, which is no character.") from None
    except RecursionError:
        raise ValueError("It is nested too deeply.") from None
    except (TypeError, ValueError) as error:
        raise ValueError(f"It is not JSON: {error}.") from None
    if "\\u0000" in text and _NUL.search(text):
        raise ValueError("It contains a NUL character, which cannot be stored.")
    return text


def is_json(value: Any, *, default: Callable[[Any], Any] | None = None) -> bool:
    """Whether it is JSON that can be stored; `default` as in `dumps`."""
    try:
        dumps(value, default=default)
    except ValueError:
        return False
    return True


def require_storable(value: Any, text: str) -> None:
    """Refuse what `dumps` would of a value that was read from `text`, which is asked only where that gives reason."""
    if _DOUBTFUL.search(text):
        dumps(value)


def clean_text(text: str) -> str:
    """Any text as one that PostgreSQL can store: NUL and lone surrogates are written as escapes."""
    told = text.replace("\x00", "\\x00")
    return told if told.isascii() else told.encode("utf-8", "backslashreplace").decode()
