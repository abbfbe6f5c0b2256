"""Text from elsewhere, as a terminal may be given it."""

import json
from datetime import datetime
from typing import Any

from background.base.escapes import escaped


def clean(text: str, *, lines: bool = False) -> str:
    """The text without anything that a terminal would obey; such characters are written as escapes.

    With `lines`, line ends and tabs stay.
    """
    return escaped(text.expandtabs(), keep="\n\t") if lines else escaped(text)


def short(value: Any, length: int = 60) -> str:
    """A JSON value on one line, cut at `length` characters."""
    text = clean(json.dumps(value, ensure_ascii=False))
    return text if len(text) <= length else f"{text[: length - 1]}…"


def clock(moment: str | None) -> str:
    """A time of the API in the reader's own zone; nothing for `None`."""
    return f"{datetime.fromisoformat(moment).astimezone():%Y-%m-%d %H:%M:%S}" if moment else ""


def duration(start: str | None, end: str | None) -> str:
    """How long it took, once it has ended."""
    if start is None or end is None:
        return ""
    return f"{(datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds():.2f} s"
