"""What surprises people about bare Celery, under the version that is installed: `docs/celery-versions.md` says it."""

import os
from pathlib import Path

import celery
import pytest

from tests.acceptance.bare import surprises
from tests.acceptance.bare.running import run_bare, running_bare_worker
from tests.support import ROOT

PAGE = ROOT / "docs" / "celery-versions.md"


@pytest.fixture(scope="module")
def answers(valkey: object, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What bare Celery does with each surprise."""
    canvases = [surprise.canvas for surprise in surprises.SURPRISES]
    with running_bare_worker(tmp_path_factory.mktemp("bare") / "bare.log"):
        found = run_bare(canvases)
    return [surprises.answer(canvas, each) for canvas, each in zip(canvases, found, strict=True)]


def test_the_page_says_what_this_version_does(answers: list[str]) -> None:
    if "CELERY_VERSIONS" in os.environ:
        surprises.add_column(PAGE, celery.__version__, answers)
    text = PAGE.read_text(encoding="utf-8")
    assert surprises.columns(text)[celery.__version__] == answers
    assert surprises.page(surprises.columns(text)) == text


def test_a_column_is_added_beside_the_others(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    rows = len(surprises.SURPRISES)
    for version, said in (("5.10.0", "c"), ("5.6.3", "a"), ("5.7.0", "b"), ("5.6.3", "`[1]`; called 1 x")):
        surprises.add_column(path, version, [said] * rows)
    found = {"5.6.3": ["`[1]`; called 1 x"] * rows, "5.7.0": ["b"] * rows, "5.10.0": ["c"] * rows}
    assert surprises.columns(path.read_text()) == found
    assert list(surprises.columns(path.read_text())) == list(found)
