"""JSON that every part can hold: RFC 8259 for the client, UTF-8 for the wire, `jsonb` for PostgreSQL."""

import json
import re
from collections.abc import Callable
from typing import Any

# PostgreSQL's jsonb has no NUL character; json.dumps writes it as an escape whose backslash is not itself escaped.
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
# Without one of these JSON text holds no NUL, no half of a surrogate pair, and no number that is read as infinite.
_DOUBTFUL = re.compile(r"\\u(?:0000|[dD][89a-fA-F])|[\ud800-\udfff]|NaN|Infinity|[eE]\+?\d{3}|\d{200}")

MAX_DEPTH = 64
"""How deep arrays and objects may be nested in what a client sends or is sent."""


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


def dumps(value: Any, *, default: Callable[[Any], Any] | None = None) -> str:
    """The JSON text of `value`; `default` gives what to write in the place of what is not JSON, or raises `TypeError`.

    Raises `ValueError` in one sentence for what is not JSON (NaN, Infinity, other types) or cannot be stored
    (NUL characters, lone surrogates, nesting beyond Python's limit).
    """
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, default=default)
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
