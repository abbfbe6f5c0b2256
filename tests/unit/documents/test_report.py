"""Reports on one document and on many."""

import json
from pathlib import Path

import pytest

from background.base.errors import Invalid, NotFound
from background.documents.analysis import analyze
from background.documents.figures import Keyword
from background.documents.report import DocumentAnalysis, escape, report_path, write_report


def analysis(name: str, text: str, title: str | None = None) -> DocumentAnalysis:
    return DocumentAnalysis(document=name, **dict(analyze(text, title=title)))


ONE = analysis("one_file.txt", "The queue and the worker. The queue!", "First")
TWO = analysis("둘.md", "작업 큐는 작업을 보관한다.")


def test_one_document(tmp_path: Path) -> None:
    report = write_report(tmp_path, [ONE], report_id="job-1-step-3")
    assert report.documents == [ONE]
    assert report.totals.words == 7
    assert (tmp_path / "reports/job-1-step-3.json").exists()
    markdown = (tmp_path / "reports/job-1-step-3.md").read_text()
    assert "| one_file.txt | First | en | 7 | 2 | 1 | 36 | 0:02 |" in markdown
    assert "Keywords: queue (2), worker (1)" in markdown


def test_many_documents_add_up(tmp_path: Path) -> None:
    totals = write_report(tmp_path, [ONE, TWO, ONE], report_id="a").totals
    assert (totals.documents, totals.words, totals.sentences) == (3, 18, 5)
    assert totals.languages == {"en": 2, "ko": 1}
    assert totals.keywords[:2] == [Keyword(word="queue", count=4), Keyword(word="worker", count=2)]
    content = json.loads((tmp_path / "reports/a.json").read_text())
    assert [each["document"] for each in content["documents"]] == ["one_file.txt", "둘.md", "one_file.txt"]
    assert content["totals"] == totals.model_dump()
    assert "둘.md" in (tmp_path / "reports/a.md").read_text()


def test_writing_again_replaces_and_leaves_nothing_else(tmp_path: Path) -> None:
    write_report(tmp_path, [ONE, TWO], report_id="same")
    write_report(tmp_path, [ONE], report_id="same")
    first = (tmp_path / "reports" / "same.md").read_bytes()
    write_report(tmp_path, [ONE], report_id="same")
    assert (tmp_path / "reports" / "same.md").read_bytes() == first
    assert "둘.md" not in first.decode()
    assert sorted(path.name for path in (tmp_path / "reports").iterdir()) == ["same.json", "same.md"]


def test_a_report_is_found_by_the_name_of_its_file(tmp_path: Path) -> None:
    write_report(tmp_path, [ONE], report_id="a-1")
    assert {report_path(tmp_path, name) for name in ("a-1.md", "a-1.json")} == {*(tmp_path / "reports").iterdir()}
    for name in ("a-1", "a-1.txt", "../reports/a-1.md", "a-1.md\0", "", ".md"):
        with pytest.raises(NotFound):
            report_path(tmp_path, name)


@pytest.mark.parametrize("report_id", ["", "../x", "a/b", "a.b", "a\0", "é", "a" * 101, "a\n"])
def test_a_hostile_id_writes_nothing(tmp_path: Path, report_id: str) -> None:
    with pytest.raises(Invalid):
        write_report(tmp_path, [ONE], report_id=report_id)
    assert not list(tmp_path.iterdir())


def test_no_analysis_is_no_report(tmp_path: Path) -> None:
    with pytest.raises(Invalid):
        write_report(tmp_path, [], report_id="a")


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("my_file-1.txt", "my_file-1.txt"),
        ("a|b", "a\\|b"),
        ("a\n# b", "a # b"),
        ("_it_ *b* `c` ~d~", "\\_it\\_ \\*b\\* \\`c\\` \\~d\\~"),
        ("[x](http://y)", "\\[x\\](http\\://y)"),
        ("<script>", "\\<script\\>"),
        ("&lt; & co", "\\&lt; & co"),
        ("back\\slash", "back\\\\slash"),
        ("a\u202eb\0c", "a b c"),
    ],
)
def test_markup_is_escaped(text: str, escaped: str) -> None:
    assert escape(text) == escaped


def test_names_and_titles_cannot_break_the_table(tmp_path: Path) -> None:
    hostile = analysis("x|y.txt", "Some text.", "t|\n| <b>")
    write_report(tmp_path, [hostile], report_id="a")
    markdown = (tmp_path / "reports/a.md").read_text()
    row = next(line for line in markdown.splitlines() if line.startswith("| x"))
    assert row.startswith("| x\\|y.txt | t\\| \\| \\<b\\> | undetermined |")
