"""What tasks, job steps and endpoints do with documents. What goes in and out is small JSON, texts stay on disk."""

import logging
from collections.abc import Iterable
from functools import cache
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from background.base.errors import Invalid, NotFound, said
from background.documents.extraction import Facts
from background.documents.report import DocumentAnalysis, report_files, write_report
from background.documents.store import DocumentStore
from background.settings import get_settings

logger = logging.getLogger(__name__)

_Model = TypeVar("_Model", bound=BaseModel)


class ExtractedDocument(Facts):
    """What extraction hands on; `text` is the key of the text, which stays on disk."""

    document: str
    type: str
    text: str


@cache
def get_store() -> DocumentStore:
    """The store that the settings name."""
    settings = get_settings()
    return DocumentStore(settings.data_dir, max_bytes=settings.max_upload_bytes)


def require_document(name: str, *, where: tuple[str | int, ...] = ("document",)) -> str:
    """The name under which it is stored. Raises `Invalid`, which points at `where`, when no document has that name."""
    try:
        return get_store().get(name).name
    except NotFound as error:
        raise Invalid(str(error), where=where, code="document_missing", name=name) from None


def extract_document(store: DocumentStore, name: str) -> dict[str, Any]:
    """Read a stored document and keep its text; returns the fields of `ExtractedDocument`.

    Raises `NotFound` when there is none of that name, `Invalid` when `name` is no text, or the document cannot
    be read any more.
    """
    if not isinstance(name, str):  # a task's argument may be the result of any other task
        raise Invalid("extract needs the name of a document.")
    document, facts = store.facts(name)
    known = facts.model_dump()
    return {"document": document.name, "type": document.type, **known, "text": document.text_key}


def analyze_document(store: DocumentStore, extracted: dict[str, Any]) -> dict[str, Any]:
    """Analyse what `extract_document` returned; returns the fields of `DocumentAnalysis`.

    The text is made again where it is lost. Raises `Invalid` for anything else than such a result, `NotFound` when
    the document is gone, or it is another one by now.
    """
    from background.documents.analysis import analyze

    given = _validated(ExtractedDocument, extracted, "analyze needs what extract returns")
    document, text = store.text(given.document)
    if document.text_key != given.text:
        raise NotFound("The document has changed since its text was extracted.")
    analysis = analyze(text.text, title=text.facts.title, sure=text.facts.encoding_sure)
    guessed = {} if text.facts.encoding_sure else {"encoding": text.facts.encoding}
    return {"document": given.document, **analysis.model_dump(mode="json"), **guessed}


def report_documents(
    store: DocumentStore, analyses: dict[str, Any] | list[dict[str, Any]], *, report_id: str
) -> dict[str, Any]:
    """Write the report on one result of `analyze_document` or a list of them.

    Returns `report_id`, `json` and `markdown` (paths relative to DATA_DIR), `documents` (their names) and
    `totals` (the fields of `report.Totals`). Raises `Invalid` for anything else than such results.
    """
    problem = "report needs what analyze returns, or a list of that"
    each_given = analyses if isinstance(analyses, list) else [analyses]
    given = [_validated(DocumentAnalysis, each, problem) for each in each_given]
    totals = write_report(store.root, given, report_id=report_id).totals.model_dump(mode="json")
    json_file, markdown_file = report_files(report_id)
    names = [each.document for each in given]
    return {"report_id": report_id, "json": json_file, "markdown": markdown_file, "documents": names, "totals": totals}


def delete_reports(store: DocumentStore, report_ids: Iterable[str]) -> None:
    """Remove these reports, as far as there are any; what cannot be removed stays, and the log says so."""
    for file in (file for report_id in report_ids for file in report_files(report_id)):
        try:
            (store.root / file).unlink(missing_ok=True)
        except OSError as error:
            logger.warning("The report %s cannot be removed: %s", file, error)


def _validated(model: type[_Model], value: object, problem: str) -> _Model:
    try:
        return model.model_validate(value, strict=True)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise Invalid(f"{problem} ({f'{where}: ' if where else ''}{said(first)}).") from None
