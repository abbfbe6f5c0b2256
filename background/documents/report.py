"""Reports on analysed documents: `DATA_DIR/reports/<report id>.json` and the same as Markdown."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict

from background.base.errors import Invalid, NotFound
from background.documents.figures import MAX_KEYWORDS, Analysis, Keyword
from background.documents.language import UNDETERMINED
from background.documents.store import replace_file

_REPORT_ID: Final = re.compile(r"[0-9A-Za-z-]{1,100}")
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

    model_config = ConfigDict(frozen=True)

    documents: int
    characters: int
    words: int
    sentences: int
    paragraphs: int
    reading_seconds: int
    languages: dict[str, int]
    keywords: list[Keyword]


class ReportFiles(BaseModel):
    """Where a report was written (paths relative to DATA_DIR, with `/`) and what is in it."""

    model_config = ConfigDict(frozen=True)

    report_id: str
    json_path: str
    markdown_path: str
    documents: list[str]
    totals: Totals


def write_report(root: Path, analyses: Sequence[DocumentAnalysis], *, report_id: str) -> ReportFiles:
    """Write the report on one document or several below `root` (DATA_DIR).

    The same input gives the same bytes, and a report of the same id is replaced: a task may run twice.
    Raises `Invalid` for no analysis at all, and for an id that is not 1 to 100 of `0-9 A-Z a-z -`.
    """
    if not _REPORT_ID.fullmatch(report_id):
        raise Invalid("A report id consists of 1 to 100 letters, digits and hyphens.")
    if not analyses:
        raise Invalid("A report needs at least one analysis.")
    files = ReportFiles(
        report_id=report_id,
        json_path=f"reports/{report_id}.json",
        markdown_path=f"reports/{report_id}.md",
        documents=[each.document for each in analyses],
        totals=_totals(analyses),
    )
    content = _Content(report_id=report_id, totals=files.totals, documents=list(analyses))
    replace_file(root / files.json_path, (content.model_dump_json(indent=2) + "\n").encode())
    replace_file(root / files.markdown_path, "\n".join(_markdown(content)).encode())
    return files


def report_path(root: Path, name: str) -> Path:
    """The file of a report, `<report id>.md` or `.json`. Raises `NotFound` when there is none of that name."""
    report_id, _, kind = name.rpartition(".")
    path = root / "reports" / name
    if not _REPORT_ID.fullmatch(report_id) or kind not in ("md", "json") or not path.is_file():
        raise NotFound(f"There is no report {name!r}.")
    return path


def delete_report(root: Path, report_id: str) -> None:
    """Remove the report, if there is one. Raises `OSError`."""
    for kind in ("md", "json"):
        (root / "reports" / f"{report_id}.{kind}").unlink(missing_ok=True)


class _Content(BaseModel):
    report_id: str
    totals: Totals
    documents: list[DocumentAnalysis]


def _totals(analyses: Sequence[DocumentAnalysis]) -> Totals:
    keywords: Counter[str] = Counter()
    for each in analyses:
        keywords.update({keyword.word: keyword.count for keyword in each.keywords})
    return Totals(
        documents=len(analyses),
        characters=sum(each.characters for each in analyses),
        words=sum(each.words for each in analyses),
        sentences=sum(each.sentences for each in analyses),
        paragraphs=sum(each.paragraphs for each in analyses),
        reading_seconds=sum(each.reading_seconds for each in analyses),
        languages=dict(Counter(each.language for each in analyses).most_common()),
        keywords=[Keyword(word=word, count=count) for word, count in keywords.most_common(MAX_KEYWORDS)],
    )


def _markdown(content: _Content) -> Iterator[str]:
    totals = content.totals
    languages = ", ".join(f"{_language(language)} ({count})" for language, count in totals.languages.items())
    yield from (f"# Report {content.report_id}", "")
    noun = "document" if totals.documents == 1 else "documents"
    yield f"{totals.documents} {noun}, {totals.words:,} words, languages: {languages}."
    yield from ("", f"Keywords: {_listed(totals.keywords)}", "")
    yield "| Document | Title | Language | Words | Sentences | Paragraphs | Characters | Reading time |"
    yield "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: |"
    yield from (_row(each) for each in content.documents)
    yield _figures("**Total**", "", "", totals)
    for each in content.documents:
        yield from ("", f"## {escape(each.document)}", "")
        yield from ([f"Title: {escape(each.title)}", ""] if each.title else [])
        if each.encoding:
            yield from (f"Read as {escape(each.encoding)}, which is uncertain: its text may be wrong.", "")
        yield f"Keywords: {_listed(each.keywords)}"
    yield ""


def _row(each: DocumentAnalysis) -> str:
    return _figures(escape(each.document), escape(each.title or "") or "-", escape(_language(each.language)), each)


def _language(code: str) -> str:
    return "undetermined" if code == UNDETERMINED else code


def _figures(name: str, title: str, language: str, figures: Analysis | Totals) -> str:
    minutes, seconds = divmod(figures.reading_seconds, 60)
    numbers = (figures.words, figures.sentences, figures.paragraphs, figures.characters)
    cells = [name, title, language, *(f"{number:,}" for number in numbers), f"{minutes}:{seconds:02}"]
    return f"| {' | '.join(cells)} |"


def _listed(keywords: list[Keyword]) -> str:
    return ", ".join(f"{escape(keyword.word)} ({keyword.count})" for keyword in keywords) or "none"


def escape(text: str) -> str:
    """`text` on one line, with nothing in it that Markdown or a table would take for markup."""
    return _MARKUP.sub(r"\\\1", _UNSAFE.sub(" ", text).strip())
