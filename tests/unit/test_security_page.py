"""`docs/security.md` names tests: they are there."""

import re

from tests.support import ROOT


def test_every_test_that_it_names_exists() -> None:
    named = set(re.findall(r"\btest_\w+\.py\b", (ROOT / "docs" / "security.md").read_text()))
    assert named
    assert named <= {path.name for path in (ROOT / "tests").rglob("test_*.py")}


def test_every_item_of_the_list_has_its_row() -> None:
    rows = re.findall(r"^\| \*\*(API\d+)\*\*", (ROOT / "docs" / "security.md").read_text(), re.MULTILINE)
    assert rows == [f"API{number}" for number in range(1, 11)]
