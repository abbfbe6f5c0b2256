"""Rows as types of their own."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

Row = TypeVar("Row")


def typed(kind: Callable[..., Row], row: Mapping[str, Any]) -> Row:
    """The row as this NamedTuple, without what that does not know, such as a column of the next release."""
    return kind(**{name: row[name] for name in kind._fields if name in row})  # type: ignore[attr-defined]
