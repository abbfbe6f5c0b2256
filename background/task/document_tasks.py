"""The document tasks: extract, analyze, report (a chain), and merge (a chord's body)."""

from typing import Any

from background.canvas.recorder import RecordedTask
from background.celery import celery_app
from background.documents import service
from background.task_names import TaskName


@celery_app.task(name=TaskName.EXTRACT, base=RecordedTask)
def extract(document: str) -> dict[str, Any]:
    """Read a stored document's text; it stays on disk beside it, and only its key is handed on."""
    return service.extract_document(service.get_store(), document)


@celery_app.task(name=TaskName.ANALYZE, base=RecordedTask)
def analyze(extracted: dict[str, Any]) -> dict[str, Any]:
    """Count, find the language and the keywords."""
    return service.analyze_document(service.get_store(), extracted)


@celery_app.task(name=TaskName.REPORT, base=RecordedTask, bind=True)
def report(self: RecordedTask, analysis: dict[str, Any]) -> dict[str, Any]:
    """Write one document's report; the files are named after the task, so a repetition writes the same ones."""
    return service.report_documents(service.get_store(), analysis, report_id=str(self.request.id))


@celery_app.task(name=TaskName.MERGE, base=RecordedTask, bind=True)
def merge(self: RecordedTask, analyses: list[dict[str, Any]]) -> dict[str, Any]:
    """Write one report on all of them."""
    return service.report_documents(service.get_store(), analyses, report_id=str(self.request.id))
