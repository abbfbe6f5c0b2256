"""Reports on analysed documents: `DATA_DIR/reports/<report id>.json` and the same as Markdown."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel

from background.base.errors import Invalid, NotFound
from background.documents.figures import MAX_KEYWORDS, Analysis, Keyword
from background.documents.language import UNDETERMINED
from background.documents.store import replace_file

_REPORT_ID: Final = re.compile(r"[0-9A-Za-z-]{1,100}")
_SUMMED: Final = ("characters", "words", "sentences", "paragraphs", "reading_seconds")
# No more than needed, so that ordinary names read as they are: an underscore inside a word is no markup.
_MARKUP: Final = re.compile(r"([\\`*\[\]<>|~$]|(?<![^\W_])_|_(?![^\W_])|&(?=#?\w+;)|:(?=//))")
# White space in runs, control characters, and those that turn the direction of what follows.
_UNSAFE: Final = re.compile("[\\s\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]+")


class DocumentAnalysis(Analysis):
    """The analysis of the stored document that is named `document`.

    `encoding` is that of its text where it had to be guessed, and the text may be wrong.
    """

    document: str
    encoding: str | None = None


class Totals(BaseModel):
    """Sums over all documents; `languages` counts documents, `keywords` merges theirs, at most ten."""

    documents: int
    characters: int
    words: int
    sentences: int
    paragraphs: int
    reading_seconds: int
    languages: dict[str, int]
    keywords: list[Keyword]


class Report(BaseModel):
    """All that a report says."""

    report_id: str
    totals: Totals
    documents: list[DocumentAnalysis]


def write_report(root: Path, analyses: list[DocumentAnalysis], *, report_id: str) -> Report:
    """Write the report on one document or several below `root` (DATA_DIR).

    The same input gives the same bytes, and a report of the same id is replaced: a task may run twice.
    Raises `Invalid` for no analysis at all, and for an id that is not 1 to 100 of `0-9 A-Z a-z -`.
    """
    if not _REPORT_ID.fullmatch(report_id):
        raise Invalid("A report id consists of 1 to 100 letters, digits and hyphens.")
    if not analyses:
        raise Invalid("A report needs at least one analysis.")
    report = Report(report_id=report_id, totals=_totals(analyses), documents=analyses)
    json_file, markdown_file = report_files(report_id)
    replace_file(root / json_file, (report.model_dump_json(indent=2) + "\n").encode())
    replace_file(root / markdown_file, "\n".join(_markdown(report)).encode())
    return report


def report_files(report_id: str) -> tuple[str, str]:
    """Where a report is, as JSON and as Markdown: paths relative to DATA_DIR, with `/`."""
    return f"reports/{report_id}.json", f"reports/{report_id}.md"


def report_path(root: Path, name: str) -> Path:
    """The file of a report, if there is one: `<report id>.md` or `.json`. Raises `NotFound` for any other name."""
    report_id, _, kind = name.rpartition(".")
    if not _REPORT_ID.fullmatch(report_id) or kind not in ("md", "json"):
        raise missing_report(name)
    return root / "reports" / name


def missing_report(name: str) -> NotFound:
    """What is raised where there is no report of that name."""
    return NotFound(f"There is no report {name!r}.", what="report", id=name)


def _totals(analyses: list[DocumentAnalysis]) -> Totals:
    keywords: Counter[str] = Counter()
    for each in analyses:
        keywords.update({keyword.word: keyword.count for keyword in each.keywords})
    sums: dict[str, Any] = {name: sum(getattr(each, name) for each in analyses) for name in _SUMMED}
    return Totals(
        documents=len(analyses),
        languages=dict(Counter(each.language for each in analyses).most_common()),
        keywords=[Keyword(word=word, count=count) for word, count in keywords.most_common(MAX_KEYWORDS)],
        **sums,
    )


def _markdown(report: Report) -> Iterator[str]:
    totals = report.totals
    languages = ", ".join(f"{_language(language)} ({count})" for language, count in totals.languages.items())
    yield from (f"# Report {report.report_id}", "")
    noun = "document" if totals.documents == 1 else "documents"
    yield f"{totals.documents} {noun}, {totals.words:,} words, languages: {languages}."
    yield from ("", f"Keywords: {_listed(totals.keywords)}", "")
    yield "| Document | Title | Language | Words | Sentences | Paragraphs | Characters | Reading time |"
    yield "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: |"
    for each in report.documents:
        yield _row(escape(each.document), escape(each.title or "") or "-", _language(each.language), each)
    yield _row("**Total**", "", "", totals)
    for each in report.documents:
        yield from ("", f"## {escape(each.document)}", "")
        yield from ([f"Title: {escape(each.title)}", ""] if each.title else [])
        if each.encoding:
            yield from (f"Read as {escape(each.encoding)}, which is uncertain: its text may be wrong.", "")
        yield f"Keywords: {_listed(each.keywords)}"
    yield ""


def _language(code: str) -> str:
    return "undetermined" if code == UNDETERMINED else escape(code)


def _row(name: str, title: str, language: str, figures: Analysis | Totals) -> str:
    minutes, seconds = divmod(figures.reading_seconds, 60)
    numbers = (figures.words, figures.sentences, figures.paragraphs, figures.characters)
    cells = [name, title, language, *(f"{number:,}" for number in numbers), f"{minutes}:{seconds:02}"]
    return f"| {' | '.join(cells)} |"


def _listed(keywords: list[Keyword]) -> str:
    return ", ".join(f"{escape(keyword.word)} ({keyword.count})" for keyword in keywords) or "none"


def escape(text: str) -> str:
    """`text` on one line, with nothing in it that Markdown or a table would take for markup."""
    return _MARKUP.sub(r"\\\1", _UNSAFE.sub(" ", text).strip())
