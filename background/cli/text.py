"""Text from elsewhere, as a terminal may be given it."""

import json
import unicodedata
from datetime import datetime
from typing import Any

NOT_SHOWN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Control characters, invisible format characters (text that runs backwards), half surrogates, odd line ends."""


def clean(text: str, *, lines: bool = False) -> str:
    """The text without anything that a terminal would obey; such characters are written as escapes.

    With `lines`, line ends and tabs stay.
    """
    kept = "\n\t" if lines else ""
    return "".join(
        each if each in kept or unicodedata.category(each) not in NOT_SHOWN else ascii(each)[1:-1]
        for each in (text.expandtabs() if lines else text)
    )


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
