"""What all tables share: their metadata, and types and constraints that SQLAlchemy has not."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Any

from sqlalchemy import Column, DateTime, MetaData, func
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.types import UserDefinedType

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class XID8(UserDefinedType[int]):
    """PostgreSQL's number of a transaction, which is never used again."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        """The type's name in SQL."""
        return "xid8"


ischema_names["xid8"] = XID8


def one_of(column: str, values: Iterable[StrEnum]) -> str:
    """SQL for: `column` is one of these members of an enum, or any, as a CHECK has it."""
    listed = values if isinstance(values, type) else sorted(values)
    return f"{column} IN ({', '.join(repr(value.value) for value in listed)})"


def now_column(name: str) -> "Column[object]":
    """A `timestamptz` that the database fills with its own clock."""
    return Column(name, DateTime(timezone=True), nullable=False, server_default=func.now())


def time_column(name: str) -> "Column[object]":
    """A `timestamptz` that may be absent."""
    return Column(name, DateTime(timezone=True))
