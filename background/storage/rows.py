"""Rows: which state of one is the newer, and rows as types of their own."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

Row = TypeVar("Row")

CHANGED_AT = "greatest(now(), updated_at + interval '1 microsecond')"
"""The new `updated_at` of a row: later than the last one, also where a transaction that began first had to wait.

Of two states of a thing, the one with the later time is the newer.
"""


def typed(kind: Callable[..., Row], row: Mapping[str, Any]) -> Row:
    """The row as this NamedTuple, without what that does not know, such as a column of the next release."""
    return kind(**{name: row[name] for name in kind._fields if name in row})  # type: ignore[attr-defined]
