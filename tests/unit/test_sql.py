"""All SQL of the application, read for what PostgreSQL takes without complaint and nobody means."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import ROOT

SOURCES = [path for path in (ROOT / "background").glob("**/*.py") if "versions" not in path.parts]
CAST = re.compile(r"(?:\b(?P<short>\w+)::|\bCAST\((?P<long>\w+) AS\b)", re.IGNORECASE)
ORDER = re.compile(r"\bORDER BY\s+(.*?)(?=\bLIMIT\b|\bFOR\b|\bOFFSET\b|\)|$)", re.IGNORECASE | re.DOTALL)


def texts(path: Path) -> Iterator[str]:
    """The strings of a module; what an f-string puts in is left out."""
    tree = ast.parse(path.read_text())
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield " ? ".join(str(part.value) for part in node.values if isinstance(part, ast.Constant))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts:
            yield node.value


def hidden(sql: str) -> set[str]:
    """Names by which a statement orders while it also casts a column of that name: a cast column keeps its name, and
    ORDER BY means the output column, not the table's.
    """
    cast = {found["short"] or found["long"] for found in CAST.finditer(sql)}
    ordered = {
        words[0]
        for found in ORDER.finditer(sql)
        for term in found[1].split(",")
        if (words := term.split()) and re.fullmatch(r"\w+", words[0])
    }
    return cast & ordered


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_is_ordered_by_a_cast_column(path: Path) -> None:
    assert [found for sql in texts(path) if (found := hidden(sql))] == []


def test_it_is_seen() -> None:
    assert hidden("SELECT xid::text, number FROM job_events ORDER BY xid, number LIMIT 3") == {"xid"}
    assert hidden("SELECT CAST(id AS text) FROM runs ORDER BY number, id DESC") == {"id"}
    assert hidden("SELECT xid::text, number FROM job_events ORDER BY job_events.xid, number LIMIT 3") == set()
