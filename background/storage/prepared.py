"""Statements that PostgreSQL parses and plans once for each connection."""

import re
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from background.storage.connections import driver_of

_PARAMETER = re.compile(r"(?<!:):(\w+)")


class Prepared:
    """SQL with `:names` that a connection parses and plans when it is first used there, and then only executes.

    Planning a statement with several parts costs PostgreSQL more than a transition of a few rows. Behind a pooler,
    where the next statement may find another server, it is planned each time.
    """

    def __init__(self, name: str, sql: str) -> None:
        """`name` is unique among the statements of this process."""
        self.name = name
        self.sql = sql
        self._names = list(dict.fromkeys(_PARAMETER.findall(sql)))
        numbered = _PARAMETER.sub(lambda found: f"${self._names.index(found[1]) + 1}", sql)
        self._prepare = f"PREPARE {name} AS {numbered}"
        given = ", ".join(f"%({each})s" for each in self._names)
        self._execute = f"EXECUTE {name} ({given})" if given else f"EXECUTE {name}"
        self._plain = _PARAMETER.sub(r"%(\1)s", sql.replace("%", "%%"))

    def __call__(self, connection: Connection, values: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Execute it with a value for each of its names; gives the rows, if it returns any.

        It goes past SQLAlchemy, whose share would be the larger one, but within its transaction.
        """
        driver, info = driver_of(connection), connection.info
        begin = info.pop("begin", "")
        with driver.cursor() as cursor:
            if info["pooled"]:
                cursor.execute(begin + (info["before"] if driver.autocommit else "") + self._plain, values)
            else:
                known = info.setdefault("prepared", set())
                if self.name not in known:
                    cursor.execute(self._prepare)
                    known.add(self.name)
                cursor.execute(begin + self._execute, values)
            if cursor.description is None:
                return []
            names = [column.name for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor]
