"""The document endpoints: the store, and the canvases that work on it."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, File, Path, UploadFile
from fastapi.responses import FileResponse
from pydantic import BaseModel, Field

from background.canvas import service as canvases
from background.canvas.schemas import ChordRun, GroupRun, Run
from background.canvas.spec import ChainSpec, chain, chord, group, task
from background.documents import service
from background.documents.report import report_path
from background.documents.store import missing
from background.errors import Invalid, NotFound
from background.problems import responses
from background.requests import StorableJSONRoute
from background.serving.downloads import Download
from background.serving.limits import slow_work
from background.strict import Strict
from background.task_names import TaskName

router = APIRouter(prefix="/documents", tags=["documents"], route_class=StorableJSONRoute)
reports = APIRouter(prefix="/reports", tags=["documents"])

DOWNLOAD: dict[int | str, dict[str, Any]] = {
    206: {"description": "The ranges that were asked for"},
    304: {"description": "The client has it already (`If-None-Match`)"},
    **responses(404, 416),
}

SLOW = [Depends(slow_work, scope="function")]

Name = Annotated[str, Path(description="The name under which the document was uploaded")]


class DocumentInfo(BaseModel):
    """A stored document: its size in bytes and its media type."""

    name: str
    size: int
    type: str


class Selection(Strict):
    """Which documents: all stored ones where omitted."""

    documents: Annotated[list[str], Field(min_length=1, max_length=500)] | None = None


@router.post("", status_code=201, responses=responses(409, 415), dependencies=SLOW)
def upload(file: Annotated[UploadFile, File()]) -> DocumentInfo:
    """Store a plain text, Markdown, HTML, PDF or DOCX file under its own name."""
    document = service.get_store().add(file.filename or "", file.file)
    return DocumentInfo(name=document.name, size=document.size, type=document.type)


@router.get("")
def list_documents() -> list[DocumentInfo]:
    """All stored documents, by name."""
    return [DocumentInfo(name=each.name, size=each.size, type=each.type) for each in service.get_store().list()]


@router.post("/analyze", status_code=202, responses=responses(), dependencies=SLOW)
def analyze_many(body: Annotated[Selection | None, Body()] = None) -> GroupRun:
    """A group: each document extracted and analyzed, side by side."""
    return canvases.submit_group(group(_analyses(body)))


@router.post("/report", status_code=202, responses=responses(), dependencies=SLOW)
def report_on_many(body: Annotated[Selection | None, Body()] = None) -> ChordRun:
    """A chord: each document extracted and analyzed, then one report on them all."""
    return canvases.submit_chord(chord(_analyses(body), task(TaskName.MERGE)))


@router.post("/{name}/analyze", status_code=202, responses=responses(404))
def analyze_one(name: Name) -> Run:
    """A chain: extract, analyze, report."""
    service.get_store().get(name)
    return canvases.submit(chain(task(TaskName.EXTRACT, name), task(TaskName.ANALYZE), task(TaskName.REPORT)))


@router.get("/{name}", response_class=FileResponse, responses=DOWNLOAD)
def download(name: Name) -> Download:
    """The document as it was uploaded; always as an attachment, so that no browser runs it."""
    store = service.get_store()
    document = store.get(name)
    try:
        return Download(store.path_of(document), media_type=document.type, filename=document.name)
    except FileNotFoundError:
        raise missing(name) from None


@router.delete("/{name}", status_code=204, responses=responses(404))
def delete(name: Name) -> None:
    """Remove the document and its extracted text. Reports stay."""
    service.get_store().delete(name)


@reports.get("/{name}", response_class=FileResponse, responses=DOWNLOAD)
def download_report(name: Annotated[str, Path(description="`<report id>.md` or `.json`")]) -> Download:
    """A report, under the path that the result of its task names."""
    path = report_path(service.get_store().root, name)
    media_type = "application/json" if path.suffix == ".json" else "text/markdown; charset=utf-8"
    try:
        return Download(path, media_type=media_type, filename=name)
    except FileNotFoundError:
        raise NotFound(f"There is no report {name!r}.", what="report", id=name) from None


def _analyses(body: Selection | None) -> tuple[ChainSpec, ...]:
    store = service.get_store()
    stored = [document.name for document in store.list()]
    names = stored if body is None or body.documents is None else body.documents
    if not names:
        raise Invalid("There are no documents to work on; upload one first.")
    for position, name in enumerate(names):
        if name not in stored:
            raise Invalid(f"There is no document {name!r}.", where=("body", "documents", position))
    return tuple(chain(task(TaskName.EXTRACT, name), task(TaskName.ANALYZE)) for name in names)
