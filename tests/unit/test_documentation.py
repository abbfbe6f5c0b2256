"""The documents hold together: links and anchors, both languages, one table of settings, a README that is short."""

import re
from pathlib import Path

import pytest

from background.settings import KeySettings, Settings
from tests.documentation import PAGES, TRANSLATED, anchors, blocks, headings, links
from tests.support import ROOT

README_LINES = 150
SETTINGS = ROOT / "docs" / "deploy.md"


def name_of(path: Path) -> str:
    """A page's path within the repository."""
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_what_is_linked_is_there(page: Path) -> None:
    for link in links(page):
        if re.match(r"[a-z]+:", link):
            continue
        target, _, anchor = link.partition("#")
        path = (page.parent / target).resolve() if target else page
        assert path.exists(), link
        assert path.is_relative_to(ROOT), link
        assert not anchor or anchor in anchors(path), link


@pytest.mark.parametrize("readme", ["README.md", "README.ko.md"])
def test_a_readme_is_short_and_starts_with_two_commands(readme: str) -> None:
    text = (ROOT / readme).read_text(encoding="utf-8")
    assert len(text.splitlines()) <= README_LINES
    quick_start = re.split(r"^## ", text, flags=re.MULTILINE)[1]
    assert re.findall(r"^\$ (.+)$", quick_start, re.MULTILINE) == ["python3 run.py demo", "python3 run.py test"]


@pytest.mark.parametrize("korean", TRANSLATED, ids=name_of)
def test_both_languages_show_the_same(korean: Path) -> None:
    english = TRANSLATED[korean]
    assert blocks(korean) == blocks(english)
    assert [level for level, _ in headings(korean)] == [level for level, _ in headings(english)]


def test_every_setting_is_told_in_one_place() -> None:
    table = re.search(r"\| `POSTGRES_HOST`.*?\n\n", SETTINGS.read_text(encoding="utf-8"), re.DOTALL)
    assert table
    known = {*Settings.model_fields, *KeySettings.model_fields}
    first_cells = re.findall(r"^\|([^|]*)\|", table[0], re.MULTILINE)
    assert sorted(re.findall(r"`([A-Z_]+)`", "".join(first_cells))) == sorted(map(str.upper, known))
    assert [page for page in PAGES if "| `POSTGRES_HOST`" in page.read_text(encoding="utf-8")] == [SETTINGS]


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "CHANGELOG.md"], ids=name_of)
def test_the_files_that_are_named_are_there(page: Path) -> None:
    """The changelog tells of files as they were."""
    for path in re.findall(r"`((?:background|tests|docs|benchmarks)/[\w/.-]+)`", page.read_text(encoding="utf-8")):
        assert (ROOT / path).exists(), path


def test_the_commands_of_run_py_that_are_named_exist() -> None:
    import run

    for page in PAGES:
        named = set(re.findall(r"\brun\.py ([a-z]+)\b", page.read_text(encoding="utf-8")))
        assert named <= {*run.COMMANDS, "cannot", "needs"}, page
