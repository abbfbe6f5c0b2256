"""The document endpoints: the store, and the canvases that work on it."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, File, Path, UploadFile
from fastapi.responses import FileResponse
from pydantic import BaseModel, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from background.base.errors import Invalid
from background.base.strict import Strict
from background.canvas import service as runs
from background.canvas.schemas import ChordRun, GroupRun, Run
from background.canvas.spec import ChainSpec, chain, chord, group, task
from background.documents import service
from background.documents.report import missing_report, report_path
from background.documents.store import Document, missing
from background.http.downloads import Download
from background.http.filenames import given_name
from background.http.limits import SLOW
from background.http.problems import responses
from background.http.requests import ProblemRoute, StorableJSONRoute
from background.task_names import TaskName

router = APIRouter(prefix="/documents", tags=["documents"], route_class=StorableJSONRoute)
canvases = APIRouter(prefix="/documents", tags=["documents"], route_class=StorableJSONRoute)
reports = APIRouter(prefix="/reports", tags=["documents"], route_class=ProblemRoute)

DOWNLOAD: dict[int | str, dict[str, Any]] = {
    206: {"description": "The ranges that were asked for"},
    304: {"description": "The client has it already (`If-None-Match`)"},
    **responses(404, 416),
}


def _as_file(value: object) -> object:
    """FastAPI's own words for a text in its place are about Python."""
    if isinstance(value, str):
        raise PydanticCustomError("file_type", "It must be a file, which comes with its name (curl -F file=@name)")
    return value


Name = Annotated[str, Path(description="The name under which the document was uploaded")]


class DocumentInfo(BaseModel):
    """A stored document: its size in bytes and its media type.

    `encoding` and `encoding_sure` are there where it had to be guessed in what the text is encoded, and the text may
    be wrong.
    """

    name: str
    size: int
    type: str
    encoding: str | None = None
    encoding_sure: Literal[False] | None = None


class Selection(Strict):
    """Which documents: all stored ones where omitted."""

    documents: Annotated[list[str], Field(min_length=1, max_length=500)] | None = None


@router.post("", status_code=201, response_model_exclude_none=True, responses=responses(409, 415), dependencies=SLOW)
def upload(file: Annotated[UploadFile, BeforeValidator(_as_file), File()]) -> DocumentInfo:
    """Store a plain text, Markdown, HTML, PDF or DOCX file under its own name."""
    name = given_name(file.filename or "", file.headers.get("content-disposition", ""))
    return _info(service.get_store().add(name, file.file))


@router.get("", response_model_exclude_none=True)
def list_documents() -> list[DocumentInfo]:
    """All stored documents, by name."""
    return [_info(each) for each in service.get_store().list()]


@canvases.post("/analyze", status_code=202, responses=responses(), dependencies=SLOW)
def analyze_many(body: Annotated[Selection | None, Body()] = None) -> GroupRun:
    """A group: each document extracted and analyzed, side by side."""
    return runs.submit_group(group(_analyses(body)))


@canvases.post("/report", status_code=202, responses=responses(), dependencies=SLOW)
def report_on_many(body: Annotated[Selection | None, Body()] = None) -> ChordRun:
    """A chord: each document extracted and analyzed, then one report on them all."""
    return runs.submit_chord(chord(_analyses(body), task(TaskName.MERGE)))


@canvases.post("/{name}/analyze", status_code=202, responses=responses(404))
def analyze_one(name: Name) -> Run:
    """A chain: extract, analyze, report."""
    name = service.get_store().get(name).name
    return runs.submit(chain(task(TaskName.EXTRACT, name), task(TaskName.ANALYZE), task(TaskName.REPORT)))


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
        raise missing_report(name) from None


def _info(document: Document) -> DocumentInfo:
    return DocumentInfo(**dict(document), encoding_sure=None if document.encoding is None else False)


def _analyses(body: Selection | None) -> tuple[ChainSpec, ...]:
    if body is None or body.documents is None:
        names = [document.name for document in service.get_store().list()]
    else:
        given = enumerate(body.documents)
        names = [service.require_document(name, where=("body", "documents", position)) for position, name in given]
    if not names:
        raise Invalid("There are no documents to work on; upload one first.", code="no_documents")
    return tuple(chain(task(TaskName.EXTRACT, name), task(TaskName.ANALYZE)) for name in names)
